import { useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { memoryEngines } from "../../tensor-core/test/engines.ts";
import { forwardKl, jsd, softCrossEntropy } from "../src/index.ts";
import { logSoftmax } from "./definitions.ts";
import { losses } from "./losses.ts";
import { type Pair, pairs, runs } from "./matrices.ts";
import { gradientAt, lossAt, near } from "./measure.ts";

describe.each(memoryEngines)("on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  describe.each(Object.entries(losses))("%s", (_, { run, heat }) => {
    it("never rises when two outcomes are merged", () => {
      fc.assert(
        fc.property(pairs(8, { sameSize: true, least: 2 }), ({ student, teacher }) => {
          const merge = (side: Pair["student"]) =>
            side.map(([a = 0, b = 0, ...others]) => [
              Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b))),
              ...others,
            ]);
          const merged = lossAt(run, { student: merge(student), teacher: merge(teacher) });
          expect(merged).toBeLessThanOrEqual(lossAt(run, { student, teacher }) * (1 + 1e-5) + 1e-5);
        }),
        runs,
      );
    });

    it("of a batch is the mean of its rows, and micro-batches add up under one count", () => {
      fc.assert(
        fc.property(pairs(8), (pair) => {
          const one = (r: number): Pair => ({
            student: pair.student.slice(r, r + 1),
            teacher: pair.teacher.slice(r, r + 1),
          });
          const [n, want] = [pair.student.length, lossAt(run, pair)];
          const each = pair.student.map((_, r) => lossAt(run, one(r)));
          near(each.reduce((a, b) => a + b, 0) / n, want);
          const parts = pair.student.map((_, r) => lossAt(run, one(r), { count: n }));
          near(
            parts.reduce((a, b) => a + b, 0),
            want,
          );
          near(
            lossAt(run, pair, { rowWeights: pair.student.map((_, r) => (r === n - 1 ? 2 : 0)) }),
            each.at(-1) as number,
          );
        }),
        runs,
      );
    });

    it("goes to 0 with the temperature", () => {
      fc.assert(
        fc.property(pairs(8, { sameSize: true }), (pair) => {
          const T = 1e-3;
          expect(Math.abs(lossAt(run, pair, { temperature: T }))).toBeLessThanOrEqual(32 * T);
        }),
        runs,
      );
    });

    if (heat !== undefined)
      it("goes to the variance of the logits' differences with a high temperature", () => {
        fc.assert(
          fc.property(pairs(2, { sameSize: true }), (pair) => {
            const want = pair.student.map((row, r) => {
              const d = row.map((x, j) => (pair.teacher[r]?.[j] as number) - x);
              const mean = d.reduce((a, b) => a + b, 0) / d.length;
              return d.reduce((sum, x) => sum + (x - mean) ** 2, 0) / d.length / 2;
            });
            const mean = want.reduce((a, b) => a + b, 0) / want.length;
            near(lossAt(run, pair, { temperature: 100 }), heat * mean, 0.03);
          }),
          runs,
        );
      });
  });

  it("JSD by its β goes to the forward KL as β goes to 0", () => {
    fc.assert(
      fc.property(pairs(1, { sameSize: true }), (pair) => {
        const distance = (beta: number) =>
          Math.abs(lossAt((o) => jsd({ ...o, beta }), pair) / beta - lossAt(forwardKl, pair));
        expect(distance(1e-3)).toBeLessThan(3e-3);
        expect(distance(1e-3)).toBeLessThan(distance(0.1) + 3e-4);
      }),
      runs,
    );
  });

  it("the soft cross-entropy is the forward KL and the teacher's entropy", () => {
    fc.assert(
      fc.property(pairs(8), (pair) => {
        const common = Math.min(pair.student[0]?.length ?? 0, pair.teacher[0]?.length ?? 0);
        const entropies = pair.teacher.map((row) =>
          logSoftmax(row.slice(0, common)).reduce((sum, l) => sum - Math.exp(l) * l, 0),
        );
        const entropy = entropies.reduce((a, b) => a + b, 0) / entropies.length;
        near(lossAt(softCrossEntropy, pair), lossAt(forwardKl, pair) + entropy);
        expect(gradientAt(softCrossEntropy, pair)).toEqual(gradientAt(forwardKl, pair));
      }),
      runs,
    );
  });
});
