import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../test/engines.ts";
import { runsOf } from "../../test/runs.ts";
import { createRng, type Tensor, tensor, tidy, useBackend } from "../index.ts";
import { rowLogSoftmax, rowLogSumExp, rowSums } from "./row-sums.ts";

const rows = (seed: number, n: number, width: number, scale = 1): number[][] => {
  const rng = createRng(seed);
  return Array.from({ length: n }, () => Array.from({ length: width }, () => Math.fround(scale * rng.normal())));
};
const valuesOf = (of: () => Tensor): number[] => tidy(() => [...of().dataSync()]);
const matrix = (values: number[][]): Tensor => tensor(values.flat(), [values.length, values[0]?.length ?? 0]);
const logSumExp = (row: number[]): number => {
  const top = row.reduce((m, x) => Math.max(m, x), Number.NEGATIVE_INFINITY);
  return top + Math.log(row.reduce((s, x) => s + Math.exp(x - top), 0));
};

describe.each(syncEngines)("sums of rows on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("are those of float64, of any width", () => {
    const width = fc.oneof(fc.integer({ min: 1, max: 1600 }), fc.constantFrom(511, 512, 513, 1024, 1025));
    fc.assert(
      fc.property(width, fc.integer({ min: 1, max: 3 }), fc.nat(), (width, n, seed) => {
        const given = rows(seed, n, width, 3);
        const sums = valuesOf(() => rowSums(matrix(given)));
        const logs = valuesOf(() => rowLogSumExp(matrix(given)));
        const probabilities = valuesOf(() => rowLogSoftmax(matrix(given)));
        expect(tidy(() => rowSums(matrix(given)).shape)).toEqual([n, 1]);
        for (const [r, row] of given.entries()) {
          const size = row.reduce((s, x) => s + Math.abs(x), 1);
          expect(Math.abs((sums[r] as number) - row.reduce((s, x) => s + x, 0)) / size).toBeLessThan(1e-6);
          const total = logSumExp(row);
          expect(Math.abs((logs[r] as number) - total)).toBeLessThan(1e-5);
          for (const j of [0, width - 1])
            expect(Math.abs((probabilities[r * width + j] as number) - (row[j] as number) + total)).toBeLessThan(1e-5);
        }
      }),
      runsOf(8, 40),
    );
  });

  it("keep their digits over a vocabulary of 151,936, beside a logit of 1e4, and far below 0", () => {
    const V = 151_936;
    const given = [Array.from({ length: V }, (_, i) => Math.fround(0.1 + (i % 7)))];
    const want = (given[0] as number[]).reduce((s, x) => s + x, 0);
    expect(Math.abs((valuesOf(() => rowSums(matrix(given)))[0] as number) / want - 1)).toBeLessThan(1e-5); // one after another on wasm: 1e-3
    for (const shift of [1e4, -1e4]) {
      const row = [shift, shift - 1, shift - 2];
      const logs = valuesOf(() => rowLogSoftmax(matrix([row])));
      for (const [j, l] of logs.entries()) expect(l).toBeCloseTo(-j - Math.log(1 + Math.exp(-1) + Math.exp(-2)), 5);
      expect(valuesOf(() => rowLogSumExp(matrix([row])))[0]).toBeCloseTo(logSumExp(row), 2);
    }
  });
});
