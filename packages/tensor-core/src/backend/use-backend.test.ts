import { KdError } from "@kd/contract";
import { expect, it, vi } from "vitest";
import { add, describeBackend, tensor, useBackend } from "../index.ts";
import { fusedKernels } from "../kernels/fused-kernels.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

it("takes calls in turn", async () => {
  const [first, second] = await Promise.all([
    useBackend({ engine: "wasm", blas: false }),
    useBackend({ engine: "wasm", blas: false }),
  ]);
  expect(second).toEqual(first);
});

it("describes wasm with its kernels", async () => {
  const description = await useBackend({ engine: "wasm", blas: false, threads: 1 });
  expect(description).toEqual({
    engine: "wasm",
    gemm: { provider: "wasm" },
    threads: 1,
    simd: true,
    fused: true,
    tried: [],
    memoryLimit: 2 ** 32 - 2 ** 16,
    advice: expect.any(String),
  });
  expect(describeBackend()).toBe(description);
  expect(fusedKernels()).toBeDefined();
});

it("describes cpu, which has no kernels and does not greet", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const description = await useBackend({ engine: "cpu" });
  expect(description).toMatchObject({ engine: "cpu", gemm: { provider: "engine" }, simd: false, fused: false });
  expect(add(tensor([1]), 1).dataSync()).toEqual(Float32Array.of(2));
  expect(warn).not.toHaveBeenCalled();
  expect(fusedKernels()).toBeUndefined();
  warn.mockRestore();
});

it("takes wasm for auto, and follows the engine that is current", async () => {
  expect((await useBackend({ blas: false })).engine).toBe("wasm");
  await useBackend({ engine: "cpu" });
  expect(describeBackend().engine).toBe("cpu");
});

it("refuses an unknown engine and keeps the one before", async () => {
  await useBackend({ engine: "cpu" });
  const error = await failure(useBackend({ engine: "warp" as "cpu" }));
  expect(KdError.is(error)).toBe(true);
  expect(error).toMatchObject({ code: "KD_BACKEND", message: expect.stringContaining('got "warp"') });
  expect(describeBackend().engine).toBe("cpu");
});

// both packages are optional and not among this repository's dependencies
it.each(["tensorflow", "webgpu"] as const)(
  "says which package engine %s needs, and keeps the one before",
  async (engine) => {
    await useBackend({ engine: "cpu" });
    const error = await failure(useBackend({ engine }));
    expect(error).toMatchObject({
      code: "KD_BACKEND",
      message: expect.stringMatching(/expected .*(tfjs-node|webgpu).*install/),
    });
    expect(describeBackend().engine).toBe("cpu");
  },
);

it("auto says why a GPU's engine is not used", async () => {
  const { engine, tried } = await useBackend({ blas: false });
  expect(engine).toBe("wasm");
  expect(tried).toEqual([{ name: "tensorflow", reason: expect.stringContaining("@tensorflow/tfjs-node-gpu") }]);
});
