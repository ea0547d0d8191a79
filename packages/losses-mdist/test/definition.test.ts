import { useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { lossOf, slopes } from "./definitions.ts";
import { losses } from "./losses.ts";
import { mapped, type Pair, pairs, runs } from "./matrices.ts";
import { gradientAt, lossAt, near } from "./measure.ts";

/** Everything that a loss can be told about a pair. */
const told = ({ student, teacher }: Pair) => {
  const common = Math.min(student[0]?.length ?? 0, teacher[0]?.length ?? 0);
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const row = fc.integer({ min: 0, max: student.length - 1 });
  const weight = fc.oneof(fc.constant(0), fc.double({ min: 0.01, max: 3, noNaN: true }));
  return fc
    .record({
      rows: maybe(fc.array(row, { maxLength: 6 }).map((rows) => Int32Array.from(rows))),
      rowWeights: maybe(fc.array(weight, { minLength: student.length, maxLength: student.length })),
      temperature: maybe(fc.constantFrom(0.5, 2, 7)),
      count: maybe(fc.integer({ min: 1, max: 9 })),
      vocabulary: maybe(fc.integer({ min: 1, max: common })),
      chunkSize: maybe(fc.integer({ min: 1, max: 6 })),
    })
    .map((options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)));
};

describe.each(syncEngines)("on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  describe.each(Object.entries(losses))("%s", (_, { run, definition, swapped, most, hasKinks }) => {
    it.each([1, 8, 50, 1e4])(
      "is its definition, with its gradient, whatever it is told, up to logits of %s",
      (scale) => {
        const cases = pairs(scale).chain((pair) => fc.tuple(fc.constant(pair), told(pair)));
        fc.assert(
          fc.property(cases, ([pair, options]) => {
            const want = lossOf(definition, pair, options);
            near(lossAt(run, pair, options), want);
            const gradient = gradientAt(run, pair, options);
            const wanted = slopes((student) => lossOf(definition, { ...pair, student }, options), pair.student);
            // a gradient is a difference of numbers as large as the loss
            for (const [i, slope] of wanted.entries())
              if (slope !== undefined) near(gradient[i] as number, slope, 2e-5 * (1 + Math.abs(want)));
          }),
          runs,
        );
      },
    );

    it("is 0 with a zero gradient where both are equal up to a shift, and above 0 elsewhere", () => {
      fc.assert(
        fc.property(pairs(8, { sameSize: true }), fc.integer({ min: -5, max: 5 }), ({ student, teacher }, shift) => {
          const moved = mapped(student, (x, r) => Math.fround(x + shift * r));
          const least = lossOf(definition, { student, teacher: student }); // 0, but for the soft cross-entropy
          near(lossAt(run, { student, teacher: student }), least, 1e-6);
          near(lossAt(run, { student, teacher: moved }), least, 3e-6);
          near(lossAt(run, { student: moved, teacher }), lossAt(run, { student, teacher }), 3e-6);
          const at = { student, teacher: hasKinks ? student : moved };
          for (const x of gradientAt(run, at)) near(x, 0, 2e-6);
          expect(lossAt(run, { student, teacher })).toBeGreaterThan(-1e-6);
          if (most !== undefined) expect(lossAt(run, { student, teacher })).toBeLessThanOrEqual(most + 1e-6);
        }),
        runs,
      );
      const apart = { student: [[0, 1]], teacher: [[1, 0]] };
      expect(lossAt(run, apart)).toBeGreaterThan(
        0.02 + lossOf(definition, { student: apart.teacher, teacher: apart.teacher }),
      );
    });

    it("does not see the order of rows or of the vocabulary", () => {
      const orders = pairs(8, { sameSize: true }).chain((pair) => {
        const order = (n: number) => fc.shuffledSubarray([...Array(n).keys()], { minLength: n });
        return fc.tuple(fc.constant(pair), order(pair.student.length), order(pair.student[0]?.length ?? 0));
      });
      fc.assert(
        fc.property(orders, ([pair, rowOrder, idOrder]) => {
          const [want, wantGradient] = [lossAt(run, pair), gradientAt(run, pair)];
          const turn = (side: Pair["student"]) => rowOrder.map((r) => idOrder.map((j) => side[r]?.[j] as number));
          const turned = { student: turn(pair.student), teacher: turn(pair.teacher) };
          near(lossAt(run, turned), want, 2e-6);
          if (hasKinks) return; // the sign of p − q where they are all but equal is rounding
          const v = idOrder.length;
          for (const [i, x] of gradientAt(run, turned).entries()) {
            const from = (rowOrder[Math.floor(i / v)] as number) * v + (idOrder[i % v] as number);
            near(x, wantGradient[from] as number, 2e-6);
          }
        }),
        runs,
      );
    });

    if (swapped)
      it("turns into its counterpart when student and teacher are swapped", () => {
        fc.assert(
          fc.property(pairs(8), ({ student, teacher }) => {
            near(lossAt(swapped, { student: teacher, teacher: student }), lossAt(run, { student, teacher }), 2e-6);
          }),
          runs,
        );
      });
  });
});
