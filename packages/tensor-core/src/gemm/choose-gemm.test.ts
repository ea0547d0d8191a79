import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { describeBackend, engine, linear, ones, type Tensor2D, tensor2d, tidy, useBackend, zeros } from "../index.ts";
import { type KernelHost, kernelHost } from "../kernels/fused-kernels.ts";
import { createRng } from "../rng.ts";
import { checkGemm } from "./check-gemm.ts";
import { chooseGemm } from "./choose-gemm.ts";
import type { Gemm } from "./types.ts";

const system = await useBackend({ engine: "wasm" });
let host: KernelHost;
beforeAll(async () => {
  await useBackend({ engine: "wasm", blas: false, threads: 1 });
  host = kernelHost(engine().backend) as KernelHost;
});

const perThread = { kind: "blas" as const, koffi: "", path: "", base: 0 }; // no other thread binds it here

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
  expect(checkGemm(host.serialGemm, host.kernels)).toBeUndefined();
  expect(checkGemm(host.kernels.gemm, host.kernels)).toBeUndefined();
});

it.each(wrong)("a library that %s is refused with the reason, and wasm multiplies", async (_, spoil) => {
  const tried: { name: string; reason: string }[] = [];
  const gemm = spoil(host.serialGemm);
  const open = () => ({ provider: "blas" as const, gemm, from: 1, perThread });
  const chosen = await chooseGemm(host, { names: ["wrong.so"], required: false, threads: 1, tried, open });
  expect(chosen).toEqual({ gemm: { provider: "wasm" }, threads: 1 });
  expect(tried).toEqual([{ name: "wrong.so", reason: expect.stringMatching(/wrong product: error \S+ at 17×29×41/) }]);
  expect(checkGemm(host.kernels.gemm, host.kernels)).toBeUndefined();
  const required = { names: ["wrong.so"], required: true, tried, open };
  await expect(chooseGemm(host, required)).rejects.toThrow(/"wrong.so".*wrong product/);
});

it("the kernels use a library that is right, from its threshold on", async () => {
  const sizes: number[] = [];
  const gemm: Gemm = (ta, tb, m, n, k, ...rest) => {
    sizes.push(m * n * k);
    host.serialGemm(ta, tb, m, n, k, ...rest);
  };
  const open = () => ({ provider: "blas" as const, gemm, from: 100, perThread });
  const chosen = await chooseGemm(host, { names: ["right.so"], required: true, threads: 1, tried: [], open });
  expect(chosen).toEqual({ gemm: { provider: "blas", library: "right.so" }, threads: 1 });
  sizes.length = 0;
  expect([...linear(ones([2, 3]), ones([1, 3])).dataSync()]).toEqual([3, 3]);
  expect([...linear(ones([5, 5]), ones([4, 5])).dataSync()]).toEqual(Array(20).fill(5));
  expect(sizes).toEqual([100]);
});

it("a missing library is an error when asked for, and the engine before stays", async () => {
  const error = await useBackend({ blas: "/no/such/library.so" }).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: "KD_BACKEND", message: expect.stringContaining("/no/such/library.so") });
  await expect(useBackend({ engine: "cpu", blas: "libopenblas.so.0" })).rejects.toMatchObject({ code: "KD_BACKEND" });
  await expect(useBackend({ threads: 0 })).rejects.toMatchObject({ code: "KD_CONFIG" });
});

it("a file that is no library, or one for another machine, is an error that says so", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kd-blas-"));
  try {
    const text = join(folder, "libtext.so");
    writeFileSync(text, "not a library");
    await expect(useBackend({ blas: text })).rejects.toThrow(/libtext\.so/);
    const foreign = join(folder, "libforeign.so"); // an ELF header of a 32-bit big-endian machine
    writeFileSync(
      foreign,
      Uint8Array.from({ length: 64 }, (_, i) => [0x7f, 0x45, 0x4c, 0x46, 1, 2, 1][i] ?? 0),
    );
    await expect(useBackend({ blas: foreign })).rejects.toMatchObject({ code: "KD_BACKEND" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it.skipIf(system.gemm.provider !== "blas").each([1, 2])(
  "the system's BLAS multiplies as the kernels do on %i threads, also after the heap has grown",
  async (threads) => {
    await useBackend({ engine: "wasm", blas: false, threads: 1 });
    const rng = createRng(3);
    const random = (rows: number, columns: number): Tensor2D =>
      tensor2d(
        Float32Array.from({ length: rows * columns }, () => rng.normal()),
        [rows, columns],
      );
    const [x, weight] = [random(150, 64), random(133, 64)];
    const product = (): Float32Array => tidy(() => linear(x, weight).dataSync() as Float32Array);
    const want = product();
    const description = await useBackend({ engine: "wasm", threads });
    expect(description).toMatchObject({
      gemm: { provider: "blas", library: system.gemm.library },
      threads,
      fused: true,
    });
    const close = (got: Float32Array): void => {
      for (const [i, value] of got.entries()) expect(value).toBeCloseTo(want[i] as number, 4);
    };
    close(product());
    await expect(useBackend({ blas: "/no/such/library.so" })).rejects.toMatchObject({ code: "KD_BACKEND" });
    expect(describeBackend()).toBe(description); // and its product is still the one described
    const before = host.kernels.buffer();
    const large = zeros([before.byteLength / 4]);
    expect(host.kernels.buffer()).not.toBe(before);
    close(product());
    large.dispose();
    expect([...linear(ones([2, 3]), ones([1, 3])).dataSync()]).toEqual([3, 3]); // below the threshold
  },
);
