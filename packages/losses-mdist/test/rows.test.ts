import { constant, grads, matMul, memory, type Tensor, type Tensor2D, tidy, useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { losses } from "./losses.ts";
import { matrices, matrix, times } from "./matrices.ts";
import { gradientAt, lossAt, near } from "./measure.ts";

describe.each(syncEngines)("on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  describe.each(Object.entries(losses))("%s", (_, { run }) => {
    it("of factors is that of their product, in chunks or whole, with their gradients", () => {
      const cases = fc.record({
        hidden: matrices(4, 3, 2),
        head: matrices(7, 3, 2),
        teacher: matrices(4, 2, 2),
        teacherHead: matrices(9, 2, 2),
        chunkSize: fc.integer({ min: 1, max: 5 }),
      });
      fc.assert(
        fc.property(
          cases,
          ({ chunkSize, ...given }) =>
            void tidy(() => {
              const [hidden, head, teacher, teacherHead] = Object.values(given).map(matrix) as [
                Tensor2D,
                Tensor2D,
                Tensor2D,
                Tensor2D,
              ];
              const product = matMul(hidden, head, false, true) as Tensor2D;
              const wide = matMul(teacher, teacherHead, false, true) as Tensor2D;
              const dense = (s: Tensor) => run({ student: s as Tensor2D, teacher: wide });
              const factors = (h: Tensor, w: Tensor) =>
                run({
                  student: { hidden: h as Tensor2D, head: w as Tensor2D },
                  teacher: { hidden: teacher, head: teacherHead },
                  chunkSize,
                });
              near(factors(hidden, head).dataSync()[0] as number, dense(product).dataSync()[0] as number);
              const d = grads(dense)([product])[0] as Tensor2D;
              const [dh, dw] = grads(factors)([hidden, head]) as [Tensor, Tensor];
              const wanted = [matMul(d, head), matMul(d, hidden, true, false)];
              for (const [i, got] of [dh, dw].entries())
                for (const [j, x] of got.dataSync().entries()) near(x, (wanted[i] as Tensor).dataSync()[j] as number);
              const frozen = (h: Tensor) =>
                run({
                  student: { hidden: h as Tensor2D, head: constant(head) },
                  teacher: { hidden: teacher, head: teacherHead },
                  chunkSize,
                });
              const alone = grads(frozen)([hidden]);
              expect(alone).toHaveLength(1);
              expect([...(alone[0] as Tensor).dataSync()]).toEqual([...dh.dataSync()]);
            }),
        ),
        times(10),
      );
    });

    const [student, teacher] = [
      [
        [1, 2, 3],
        [0, 1, 0],
      ],
      [
        [3, 1, 0],
        [2, 2, 2],
      ],
    ];

    it("is 0 with a zero gradient over no rows, also when a whole step has none", () => {
      const nothing = [{ rows: new Int32Array(0) }, { rowWeights: [0, 0] }];
      for (const none of nothing)
        for (const count of [{}, { count: 0 }, { count: 4 }]) {
          expect(lossAt(run, { student, teacher }, { ...none, ...count })).toBe(0);
          expect(gradientAt(run, { student, teacher }, { ...none, ...count })).toEqual([0, 0, 0, 0, 0, 0]);
        }
    });

    it("does not look at a row of weight 0", () => {
      const broken = [student[0] as number[], [Number.NaN, Number.POSITIVE_INFINITY, 0]];
      const rowWeights = [3, 0];
      const want = lossAt(run, { student, teacher }, { rows: Int32Array.of(0) });
      near(lossAt(run, { student: broken, teacher }, { rowWeights }), want, 1e-6);
      expect(gradientAt(run, { student: broken, teacher }, { rowWeights }).slice(3)).toEqual([0, 0, 0]);
    });

    it("frees everything but its result", () => {
      const given = { student: matrix(student), teacher: matrix(teacher) };
      const rows = Int32Array.of(1, 0);
      tidy(() => void run(given));
      const before = memory().numTensors;
      const made = tidy(() => run({ ...given, rows, rowWeights: [1, 2] }));
      expect(memory().numTensors).toBe(before + 1);
      made.dispose();
      for (const gradient of tidy(() =>
        grads((s: Tensor) => run({ ...given, student: s as Tensor2D, rows }))([given.student]),
      ))
        gradient.dispose();
      expect(memory().numTensors).toBe(before);
    });
  });
});
