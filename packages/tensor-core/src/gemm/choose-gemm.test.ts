import { beforeAll, expect, it } from "vitest";
import { describeBackend, linear, ones, type Tensor2D, tensor2d, tidy, useBackend, zeros } from "../index.ts";
import { type FusedKernels, fusedKernels } from "../kernels/binding.ts";
import { createRng } from "../rng.ts";
import { checkGemm } from "./check-gemm.ts";
import { chooseGemm } from "./choose-gemm.ts";
import type { Gemm } from "./types.ts";

const system = await useBackend({ engine: "wasm" });
let kernels: FusedKernels;
beforeAll(async () => {
  await useBackend({ engine: "wasm", blas: false });
  kernels = fusedKernels() as FusedKernels;
});

const wrong: readonly (readonly [string, (right: Gemm) => Gemm])[] = [
  ["does nothing", () => () => {}],
  [
    "drops A's transpose",
    (right) =>
      (_, ...rest) =>
        right(false, ...rest),
  ],
  [
    "drops B's transpose",
    (right) =>
      (ta, _, ...rest) =>
        right(ta, false, ...rest),
  ],
  [
    "always adds to C",
    (right) => (ta, tb, m, n, k, alpha, a, lda, b, ldb, _, c, ldc) =>
      right(ta, tb, m, n, k, alpha, a, lda, b, ldb, 1, c, ldc),
  ],
  [
    "never adds to C",
    (right) => (ta, tb, m, n, k, alpha, a, lda, b, ldb, _, c, ldc) =>
      right(ta, tb, m, n, k, alpha, a, lda, b, ldb, 0, c, ldc),
  ],
  [
    "takes B's width for its stride",
    (right) =>
      (ta, tb, m, n, k, alpha, a, lda, b, _, ...rest) =>
        right(ta, tb, m, n, k, alpha, a, lda, b, tb ? k : n, ...rest),
  ],
  [
    "forgets alpha",
    (right) =>
      (ta, tb, m, n, k, _, ...rest) =>
        right(ta, tb, m, n, k, 1, ...rest),
  ],
];

it("the check passes the kernels' own product", () => {
  expect(checkGemm(kernels.wasmGemm, kernels)).toBeUndefined();
});

it.each(wrong)("a library that %s is refused with the reason, and wasm multiplies", (_, spoil) => {
  const tried: { name: string; reason: string }[] = [];
  const open = () => ({ provider: "blas" as const, gemm: spoil(kernels.wasmGemm), threads: 4 });
  const chosen = chooseGemm(kernels, { tried, open });
  expect(chosen).toEqual({ gemm: { provider: "wasm" }, threads: 1 });
  expect(tried.length).toBeGreaterThan(0);
  for (const { reason } of tried) expect(reason).toMatch(/wrong product: error \S+ at 17×29×41/);
  expect(kernels.gemm).toBe(kernels.wasmGemm);
  expect(() => chooseGemm(kernels, { blas: "wrong.so", tried, open })).toThrow(/"wrong.so".*wrong product/);
});

it("a missing library is an error when asked for, and the engine before stays", async () => {
  const error = await useBackend({ blas: "/no/such/library.so" }).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: "KD_BACKEND", message: expect.stringContaining("/no/such/library.so") });
  await expect(useBackend({ engine: "cpu", blas: "libopenblas.so.0" })).rejects.toMatchObject({ code: "KD_BACKEND" });
  await expect(useBackend({ threads: 0 })).rejects.toMatchObject({ code: "KD_CONFIG" });
});

const missing =
  system.gemm.provider === "blas" ? undefined : system.tried.map((t) => `${t.name}: ${t.reason}`).join("; ");

it("the system's BLAS multiplies as the kernels do, also after the heap has grown", async (context) => {
  if (missing !== undefined) context.skip(`no BLAS here: ${missing}`);
  const rng = createRng(3);
  const random = (rows: number, columns: number): Tensor2D =>
    tensor2d(
      Float32Array.from({ length: rows * columns }, () => rng.normal()),
      [rows, columns],
    );
  const [x, weight] = [random(50, 64), random(33, 64)];
  const product = (): Float32Array => tidy(() => linear(x, weight).dataSync() as Float32Array);
  const want = product();
  const description = await useBackend({ engine: "wasm", threads: 1 });
  expect(description).toMatchObject({
    gemm: { provider: "blas", library: system.gemm.library },
    threads: 1,
    fused: true,
  });
  expect(kernels.gemm).not.toBe(kernels.wasmGemm);
  const close = (got: Float32Array): void => {
    for (const [i, value] of got.entries()) expect(value).toBeCloseTo(want[i] as number, 4);
  };
  close(product());
  await expect(useBackend({ blas: "/no/such/library.so" })).rejects.toMatchObject({ code: "KD_BACKEND" });
  expect(describeBackend()).toBe(description); // and its product is still the one described
  expect(kernels.gemm).not.toBe(kernels.wasmGemm);
  const before = kernels.buffer();
  const large = zeros([before.byteLength / 4]);
  expect(kernels.buffer()).not.toBe(before);
  close(product());
  large.dispose();
  expect([...linear(ones([2, 3]), ones([1, 3])).dataSync()]).toEqual([3, 3]); // below the threshold
});
