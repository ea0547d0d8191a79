import * as fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { createRng, engine, type Tensor, tensor, tidy, useBackend } from "../index.ts";
import { type FusedKernels, fusedKernels } from "./fused-kernels.ts";

let kernels: FusedKernels;
beforeAll(async () => {
  await useBackend({ engine: "wasm", blas: false, threads: 1 });
  kernels = fusedKernels() as FusedKernels;
  expect(engine().backendName).toBe("wasm");
});

const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(255, 256, 257, 300));

it("the wasm product equals float64 loops for every transpose, size and beta", () => {
  fc.assert(
    fc.property(size, size, size, fc.boolean(), fc.boolean(), fc.constantFrom<0 | 1>(0, 1), (m, n, k, ta, tb, beta) => {
      const rng = createRng(m * 1000 + n * 10 + k);
      const random = (count: number): Float32Array => Float32Array.from({ length: count }, () => rng.normal());
      const [a, b, c] = [random(m * k), random(k * n), random(m * n)];
      const got = tidy(() => {
        const [A, B, C] = [tensor(a), tensor(b), tensor(c)] as [Tensor, Tensor, Tensor];
        kernels.gemm(
          ta,
          tb,
          m,
          n,
          k,
          0.5,
          kernels.address(A),
          ta ? m : k,
          kernels.address(B),
          tb ? k : n,
          beta,
          kernels.address(C),
          n,
        );
        return C.dataSync();
      });
      for (let i = 0; i < m; i += Math.ceil(m / 7))
        for (let j = 0; j < n; j += Math.ceil(n / 7)) {
          let total = 0;
          for (let p = 0; p < k; p++)
            total += (a[ta ? p * m + i : i * k + p] as number) * (b[tb ? j * k + p : p * n + j] as number);
          expect(got[i * n + j]).toBeCloseTo(0.5 * total + beta * (c[i * n + j] as number), 3);
        }
    }),
    { numRuns: 60, seed: 1 },
  );
});
