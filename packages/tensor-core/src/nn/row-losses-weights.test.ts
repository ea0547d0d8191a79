import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../test/engines.ts";
import { runsOf } from "../../test/runs.ts";
import { int32, random } from "../../test/tensors.ts";
import {
  grads,
  mul,
  type RowLossesOptions,
  rowLosses,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensor,
  tidy,
  topKRows,
  useBackend,
} from "../index.ts";
import { defaultChunk } from "./row-losses.ts";

const labels = () => int32(2, -1, 0);
const terms = (options: RowLossesOptions) =>
  tidy(() => {
    const { loss, ce, kl } = rowLosses(options);
    return [loss, ce, kl].map((t) => t.dataSync()[0] as number) as [number, number, number];
  });
const slopes = (options: RowLossesOptions, by = 1): number[] =>
  tidy(() => [
    ...(
      grads((s: Tensor) => mul(rowLosses({ ...options, student: s as Tensor2D }).loss, by))([
        options.student as Tensor2D,
      ])[0] as Tensor
    ).dataSync(),
  ]);

describe.each(syncEngines)("weights of the row losses on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("are factors of both terms, of the gradient, and of what comes from above", () => {
    const weight = fc.constantFrom(0, 0.25, 1, 3);
    fc.assert(
      fc.property(weight, weight, weight, fc.constantFrom(1, 2), fc.boolean(), fc.nat(99), (a, b, by, T, few, seed) => {
        const [student, logits] = [random(seed, 3, 5), random(seed + 1, 3, 6)];
        const teacher = few ? topKRows(logits, 2, { temperature: T, vocabulary: 4 }) : logits;
        const shared = { student, teacher, labels: labels(), temperature: T, chunkSize: 2 };
        const [, ce, kl] = terms(shared);
        const [loss, weightedCe, weightedKl] = terms({ ...shared, ceWeight: a, klWeight: b });
        expect(weightedCe).toBeCloseTo(a * ce, 4);
        expect(weightedKl).toBeCloseTo(b * kl, 4);
        expect(loss).toBeCloseTo(weightedCe + weightedKl, 4);
        const [ofCe, ofKl] = [slopes({ ...shared, klWeight: 0 }), slopes({ ...shared, ceWeight: 0 })];
        for (const [i, x] of slopes({ ...shared, ceWeight: a, klWeight: b }, by).entries())
          expect(x).toBeCloseTo(by * (a * (ofCe[i] as number) + b * (ofKl[i] as number)), 4);
      }),
      runsOf(9, 30),
    );
  });

  it("of 0 leave a term out, whatever it would have been", () => {
    const student = tensor([[1, 2, 3]]) as Tensor2D;
    const teacher = tensor([[Number.NaN, 0, 0]]) as Tensor2D;
    expect(terms({ student, teacher, klWeight: 0 })).toEqual([0, 0, 0]);
    expect(slopes({ student, teacher, klWeight: 0 })).toEqual([0, 0, 0]);
    const far = tensor([[3e38, -3e38, 0]]) as Tensor2D; // further apart than float32 goes
    const label = tensor([1], [1], "int32") as Tensor1D;
    expect(terms({ student: far, labels: label, ceWeight: 0 })).toEqual([0, 0, 0]);
  });

  it("rows in pieces, if a chunk is no whole number", () => {
    const given = { student: random(1, 3, 5), teacher: random(2, 3, 5), labels: labels() };
    const [want, got] = [terms(given), terms({ ...given, chunkSize: 1.7 })];
    for (const [i, x] of got.entries()) expect(x).toBeCloseTo(want[i] as number, 4);
  });
});

it("a chunk is as many rows as 24 MiB of both sides' logits hold, in sixteens, 48 to 256", () => {
  const size = fc.integer({ min: 1, max: 300_000 });
  fc.assert(
    fc.property(size, fc.oneof(fc.constant(0), size), (V, Vt) => {
      const rows = defaultChunk({ R: 1, V, Vt, common: 1 });
      const bytes = (n: number) => 4 * n * (V + Vt);
      expect(rows).toBeGreaterThanOrEqual(48);
      expect(rows).toBeLessThanOrEqual(256);
      expect(rows % 16).toBe(0);
      if (rows > 48) expect(bytes(rows)).toBeLessThanOrEqual(24 * 2 ** 20);
      if (rows < 256) expect(bytes(rows + 16)).toBeGreaterThan(24 * 2 ** 20);
    }),
    runsOf(10, 200),
  );
  expect(defaultChunk({ R: 1, V: 24_576, Vt: 0, common: 1 })).toBe(256);
});
