import { constant, grads, type Tensor, type Tensor2D, useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { runsOf } from "../../tensor-core/test/runs.ts";
import { checkNothing, checkSlopes, checkTidyAndFinite, close, numberOf } from "../test/loss-checks.ts";
import { type Matrix, product, tensorOfMatrix } from "../test/matrices.ts";
import { bild } from "./index.ts";

const logSoftmax = (x: number[]): number[] => {
  const top = Math.max(...x);
  const total = Math.log(x.reduce((s, v) => s + Math.exp(v - top), 0)) + top;
  return x.map((v) => v - total);
};
const topIds = (row: number[], k: number): number[] =>
  [...row.keys()].sort((a, b) => (row[b] as number) - (row[a] as number) || a - b).slice(0, k);
const differences = (row: number[], ids: number[], temperature: number): number[] =>
  ids.flatMap((i, a) => ids.slice(a + 1).map((j) => ((row[i] as number) - (row[j] as number)) / temperature));

interface Settings {
  readonly k: number;
  readonly temperature: number;
}
/** The definition in float64; `ids` keeps the sets fixed under a small step. */
function definition(student: Matrix, teacher: Matrix, { k, temperature }: Settings, of: Matrix = student): number {
  const common = Math.min(student[0]?.length ?? 0, teacher[0]?.length ?? 0);
  const sums = student.map((all, r) => {
    const [s, t] = [all.slice(0, common), (teacher[r] as number[]).slice(0, common)];
    return [topIds(t, k), topIds((of[r] as number[]).slice(0, common), k)]
      .map((ids) => {
        const [p, q] = [t, s].map((row) => logSoftmax(differences(row, ids, temperature))) as [number[], number[]];
        return p.reduce((sum, x, i) => sum + Math.exp(x) * (x - (q[i] as number)), 0);
      })
      .reduce((a, b) => a + b, 0);
  });
  return sums.reduce((a, b) => a + b, 0) / student.length;
}

/** Every logit of a row is its own, by far: which are the largest is not left to ties. */
const rows = (count: number, width: number, scale: number): fc.Arbitrary<Matrix> =>
  fc.array(
    fc
      .uniqueArray(fc.integer({ min: -40, max: 40 }), { minLength: width, maxLength: width })
      .map((row) => row.map((x) => Math.fround((x * scale) / 40))),
    { minLength: count, maxLength: count },
  );
const distinct = (all: Matrix): boolean =>
  all.every((row) => {
    const sorted = [...row].sort((a, b) => a - b);
    return sorted.every((x, i) => i === 0 || x - (sorted[i - 1] as number) > 1e-3);
  });
const cases = (scale: number) =>
  fc
    .record({
      n: fc.integer({ min: 1, max: 3 }),
      v: fc.integer({ min: 4, max: 7 }),
      more: fc.integer({ min: -1, max: 2 }),
    })
    .chain(({ n, v, more }) =>
      fc.record({
        student: rows(n, v, scale),
        teacher: rows(n, v + more, scale),
        k: fc.integer({ min: 2, max: Math.min(v, v + more) }),
        temperature: fc.constantFrom(1, 3, 0.5),
      }),
    );
const runs = runsOf(4, 60);

describe.each(syncEngines)("bild on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("is the definition in float64, with its gradient", () => {
    fc.assert(
      fc.property(cases(4), ({ student, teacher, ...settings }) => {
        const run = (s: Tensor) => bild({ student: s as Tensor2D, teacher: tensorOfMatrix(teacher), ...settings });
        close(
          numberOf(() => run(tensorOfMatrix(student))),
          definition(student, teacher, settings),
          1e-5,
        );
        checkSlopes(run, [student], (s) => definition(s, teacher, settings, student), 2e-3);
      }),
      runs,
    );
  });

  it("reads factors as their product, with the gradients of hidden and head", () => {
    const arbitrary = fc.record({ hidden: rows(3, 3, 2), head: rows(6, 3, 2), teacher: rows(3, 6, 4) });
    fc.assert(
      fc.property(arbitrary, ({ hidden, head, teacher }) => {
        const settings = { k: 3, temperature: 2 };
        const z = product(hidden, head);
        fc.pre(distinct(z));
        const run = (h: Tensor, w: Tensor) =>
          bild({
            student: { hidden: h as Tensor2D, head: w as Tensor2D },
            teacher: tensorOfMatrix(teacher),
            ...settings,
          });
        close(
          numberOf(() => run(tensorOfMatrix(hidden), tensorOfMatrix(head))),
          definition(z, teacher, settings),
        );
        checkSlopes(run, [hidden, head], (h, w) => definition(product(h, w), teacher, settings, z), 2e-3);
        const [h, w] = [tensorOfMatrix(hidden), tensorOfMatrix(head)];
        const frozen = (h: Tensor) =>
          bild({
            student: { hidden: h as Tensor2D, head: constant(w) },
            teacher: { hidden: h as Tensor2D, head: w },
            k: 3,
          });
        for (const x of (grads(frozen)([h])[0] as Tensor).dataSync()) close(x, 0, 1e-5); // equal sides
      }),
      runsOf(4, 20),
    );
  });

  it("is at least 0, 0 for equal rankings with equal gaps, and does not see a shift of a row or the ids' order", () => {
    fc.assert(
      fc.property(cases(4), ({ student, teacher, ...settings }) => {
        const at = (s: Matrix, t: Matrix) =>
          numberOf(() => bild({ student: tensorOfMatrix(s), teacher: tensorOfMatrix(t), ...settings }));
        const value = at(student, teacher);
        expect(value).toBeGreaterThan(-1e-5);
        close(at(student, student), 0, 1e-5);
        close(
          at(
            student.map((row, i) => row.map((x) => x + i + 1)),
            student,
          ),
          0,
          1e-5,
        );
        const common = Math.min(student[0]?.length ?? 0, teacher[0]?.length ?? 0);
        const [a, b] = [student, teacher].map((rows) => rows.map((row) => row.slice(0, common))) as [Matrix, Matrix];
        close(
          at(
            a.map((row) => row.toReversed()),
            b.map((row) => row.toReversed()),
          ),
          value,
        );
      }),
      runs,
    );
  });

  it("adds up over micro-batches, and takes many rows in chunks of the vocabulary", () => {
    const rows = Array.from({ length: 3 }, (_, r) => Array.from({ length: 6 }, (_, i) => Math.sin(7 * r + 3 * i) * 3));
    const [student, teacher] = [tensorOfMatrix(rows), tensorOfMatrix(rows.toReversed())];
    const parts = [0, 1, 2].map((i) =>
      numberOf(() => bild({ student, teacher, rows: Int32Array.of(i), count: 3, k: 3 })),
    );
    close(
      parts.reduce((a, b) => a + b, 0),
      numberOf(() => bild({ student, teacher, k: 3 })),
    );
    if (engine === "cpu") return; // too slow
    // 1,100 rows of 6,000 ids: two chunks, in which each row must keep its own ids
    const wide = (rows: Matrix) => tensorOfMatrix(Array.from({ length: 1100 }, (_, i) => rows[i % 5] as number[]));
    const [hidden, other] = [
      [[1], [2], [-1], [0.5], [3]],
      [[3], [0.5], [1], [-1], [2]],
    ].map(wide) as [Tensor2D, Tensor2D];
    const headOf = (ids: number) => tensorOfMatrix(Array.from({ length: ids }, (_, i) => [i < 10 ? (i + 1) / 5 : 0]));
    const of = (head: Tensor2D) =>
      numberOf(() => bild({ student: { hidden, head }, teacher: { hidden: other, head }, k: 2 }));
    close(of(headOf(6000)), of(headOf(12)), 1e-5);
  });

  it("stays finite for ±1e4, leaves nothing behind, and is 0 without rows", () => {
    const student = tensorOfMatrix([
      [1e4, -1e4, 0],
      [0, 0, 0],
    ]);
    const teacher = tensorOfMatrix([
      [-1e4, 1e4, 0],
      [1, 2, 3],
    ]);
    checkTidyAndFinite((s) => bild({ student: s as Tensor2D, teacher, k: 3 }), [student]);
    const factors = (h: Tensor, w: Tensor) =>
      bild({ student: { hidden: h as Tensor2D, head: w as Tensor2D }, teacher, k: 2, rows: Int32Array.of(1) });
    checkTidyAndFinite(factors, [tensorOfMatrix([[1], [2]]), tensorOfMatrix([[1], [2], [3]])]);
    for (const count of [{}, { count: 0 }])
      checkNothing(
        (s) => bild({ student: s as Tensor2D, teacher, k: 2, rows: new Int32Array(0), ...count }),
        [student],
      );
  });

  it("names what is wrong", () => {
    const [one, two] = [
      tensorOfMatrix([[1, 2, 3]]),
      tensorOfMatrix([
        [1, 2],
        [3, 4],
      ]),
    ];
    expect(() => bild({ student: one, teacher: one })).toThrow(/k must be whole, from 2 to the 3 common ids, got 8/);
    expect(() => bild({ student: one, teacher: one, k: 1 })).toThrow(/got 1/);
    expect(() => bild({ student: one, teacher: one, k: 2, temperature: 0 })).toThrow(
      /temperature must be above 0, got 0/,
    );
    expect(() => bild({ student: one, teacher: two, k: 2 })).toThrow(/same number of tokens, got 1 and 2 rows/);
    expect(() => bild({ student: one, teacher: one, k: 2, count: 0 })).toThrow(/count must be above 0/);
  });
});
