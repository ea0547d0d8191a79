import { constant, type Tensor, type Tensor2D, useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { runsOf } from "../../tensor-core/test/runs.ts";
import { checkNothing, checkSlopes, checkTidyAndFinite, close, numberOf } from "../test/loss-checks.ts";
import { dot, type Matrix, matrices, meanOf, product, tensorOfMatrix } from "../test/matrices.ts";
import { hiddenCosine, hiddenMse } from "./index.ts";

const project = (student: Matrix, weight?: Matrix): Matrix =>
  weight === undefined ? student : product(student, weight);

const losses = {
  hiddenMse: {
    loss: hiddenMse,
    row: (a: number[], b: number[]) => meanOf(a.map((x, i) => (x - (b[i] as number)) ** 2)),
  },
  hiddenCosine: {
    loss: hiddenCosine,
    row: (a: number[], b: number[]) => 1 - dot(a, b) / Math.sqrt(dot(a, a)) / Math.sqrt(dot(b, b)),
  },
};
const grid = (rows: number, columns: number): fc.Arbitrary<Matrix> =>
  matrices(
    rows,
    columns,
    fc.integer({ min: -16, max: 16 }).map((x) => x / 8),
  );
const cases = fc
  .record({ n: fc.integer({ min: 1, max: 4 }), d: fc.integer({ min: 1, max: 4 }), e: fc.integer({ min: 1, max: 4 }) })
  .chain(({ n, d, e }) => fc.record({ student: grid(n, d), teacher: grid(n, e), weight: grid(e, d) }));
const short = (rows: Matrix) => rows.some((row) => dot(row, row) < 1e-2);
const runs = runsOf(3, 60);

describe.each(syncEngines)("on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  describe.each(Object.entries(losses))("%s", (name, { loss, row }) => {
    const definition = (student: Matrix, teacher: Matrix, weight?: Matrix) =>
      meanOf(project(student, weight).map((a, i) => row(a, teacher[i] as number[])));

    it("is the definition in float64, with its gradients", () => {
      fc.assert(
        fc.property(cases, ({ student, teacher, weight }) => {
          fc.pre(name === "hiddenMse" || (!short(project(student, weight)) && !short(teacher)));
          const run = (s: Tensor, w: Tensor) =>
            loss({ student: s as Tensor2D, projection: w as Tensor2D, teacher: tensorOfMatrix(teacher) });
          close(
            numberOf(() => run(tensorOfMatrix(student), tensorOfMatrix(weight))),
            definition(student, teacher, weight),
            1e-5,
          );
          checkSlopes(run, [student, weight], (s, w) => definition(s, teacher, w), 2e-3);
        }),
        runs,
      );
    });

    it("is 0 for equal states, never negative, and reads the rows it is given under their count", () => {
      fc.assert(
        fc.property(cases, ({ student }) => {
          fc.pre(!short(student));
          const s = tensorOfMatrix(student);
          close(
            numberOf(() => loss({ student: s, teacher: s })),
            0,
            1e-6,
          );
          const other = tensorOfMatrix(student.toReversed());
          expect(numberOf(() => loss({ student: s, teacher: other }))).toBeGreaterThanOrEqual(-1e-6);
          const parts = student.map((_, i) =>
            numberOf(() => loss({ student: s, teacher: other, rows: Int32Array.of(i), count: student.length })),
          );
          close(
            parts.reduce((a, b) => a + b, 0),
            numberOf(() => loss({ student: s, teacher: other })),
            1e-5,
          );
        }),
        runs,
      );
    });

    it("stays finite for ±1e4 and for zeros, leaves nothing behind, and is 0 without rows", () => {
      const teacher = tensorOfMatrix([
        [1e4, -1e4],
        [0, 0],
        [1, 2],
      ]);
      const student = tensorOfMatrix([
        [-1e4, 1e4],
        [1, 1],
        [0, 0],
      ]);
      checkTidyAndFinite((s) => loss({ student: s as Tensor2D, teacher }), [student]);
      const weight = tensorOfMatrix([
        [1, 0],
        [1, 1],
      ]);
      checkTidyAndFinite(
        (s, w) => loss({ student: s as Tensor2D, projection: w as Tensor2D, teacher, rows: Int32Array.of(2, 0) }),
        [student, weight],
      );
      for (const count of [{}, { count: 0 }, { count: 2 }])
        checkNothing((s) => loss({ student: s as Tensor2D, teacher, rows: new Int32Array(0), ...count }), [student]);
      expect(numberOf(() => loss({ student: constant(student), teacher: student }))).toBeLessThan(1);
    });

    it("names what is wrong", () => {
      const [two, three] = [tensorOfMatrix([[1, 2]]), tensorOfMatrix([[1, 2, 3]])];
      expect(() => loss({ student: two, teacher: three })).toThrow(
        `${name}: student and teacher must be equally wide, got 2 and 3; pass a projection [3, 2]`,
      );
      expect(() =>
        loss({
          student: two,
          teacher: tensorOfMatrix([
            [1, 2],
            [3, 4],
          ]),
        }),
      ).toThrow(/teacher must be \[N E\] with N=1/);
      expect(() => loss({ student: two, teacher: three, projection: two })).toThrow(/teacher must be \[N E\] with E=1/);
      expect(() => loss({ student: two, teacher: two, rows: Int32Array.of(1) })).toThrow(/index must be in 0…0, got 1/);
      expect(() => loss({ student: two, teacher: two, count: -1 })).toThrow(/count must be above 0 for 1 rows, got -1/);
    });
  });
});
