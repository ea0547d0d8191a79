import {
  constant,
  grads,
  matMul,
  memory,
  reshape,
  type Tensor,
  type Tensor2D,
  tensor,
  tidy,
  useBackend,
} from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { engines, numberOf, valuesOf } from "../../tensor-core/test/engines.ts";
import { crossEntropy, forwardKl, mdist } from "./index.ts";

interface Pair {
  readonly student: number[][];
  readonly teacher: number[][];
}

/** Rows of float32 logits of both sides; the vocabularies may differ. */
const pairs = (scale: number, sameSize = false): fc.Arbitrary<Pair> =>
  fc
    .record({
      rows: fc.integer({ min: 1, max: 5 }),
      v: fc.integer({ min: 1, max: 9 }),
      more: fc.integer({ min: -2, max: 3 }),
    })
    .chain(({ rows, v, more }) => {
      const matrix = (width: number) =>
        fc.array(
          fc.array(fc.double({ min: -scale, max: scale, noNaN: true }).map(Math.fround), {
            minLength: width,
            maxLength: width,
          }),
          { minLength: rows, maxLength: rows },
        );
      return fc.record({ student: matrix(v), teacher: matrix(sameSize ? v : Math.max(1, v + more)) });
    });

const matrix = (rows: number[][]): Tensor2D =>
  tensor(rows.flat(), [rows.length, rows[0]?.length ?? 0], "float32") as Tensor2D;
const logSoftmax = (z: number[]): number[] => {
  const m = Math.max(...z);
  const total = m + Math.log(z.reduce((a, x) => a + Math.exp(x - m), 0));
  return z.map((x) => x - total);
};

/** The definition in float64: the mean over rows and its gradient. */
function reference({ student, teacher }: Pair, T = 1) {
  let kl = 0;
  const gradient = student.map((s, r) => {
    const t = teacher[r] as number[];
    const common = Math.min(s.length, t.length);
    const [q, p] = [s, t].map((z) => logSoftmax(z.slice(0, common).map((x) => x / T))) as [number[], number[]];
    for (const [j, l] of p.entries()) kl += (T ** 2 * Math.exp(l) * (l - (q[j] as number))) / student.length;
    return s.map((_, j) =>
      j < common ? (T * (Math.exp(q[j] as number) - Math.exp(p[j] as number))) / student.length : 0,
    );
  });
  return { kl, gradient: gradient.flat() };
}

const klOf = ({ student, teacher }: Pair, more: object = {}): Promise<number> =>
  numberOf(() => forwardKl({ student: matrix(student), teacher: matrix(teacher), ...more }));
const close = (a: number, b: number): void => expect(Math.abs(a - b)).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(b)));
const runs = { numRuns: 40 };

describe.each(engines)("forwardKl on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("is the definition in float64, with its gradient, whatever the chunks and temperature", async () => {
    const temperatures = fc.constantFrom(0.5, 1, 2);
    await fc.assert(
      fc.asyncProperty(pairs(8), fc.integer({ min: 1, max: 6 }), temperatures, async (pair, chunkSize, temperature) => {
        const { kl, gradient } = reference(pair, temperature);
        const options = { teacher: matrix(pair.teacher), chunkSize, temperature };
        close(await klOf(pair, { chunkSize, temperature }), kl);
        const [got] = grads((s: Tensor) => forwardKl({ student: s as Tensor2D, ...options }))([
          matrix(pair.student),
        ]) as [Tensor];
        for (const [i, x] of (await valuesOf(got)).entries()) close(x, gradient[i] as number);
      }),
      runs,
    );
  });

  it("is never negative, and zero where both sides are equal up to a shift of a row", async () => {
    await fc.assert(
      fc.asyncProperty(pairs(8, true), fc.integer({ min: -5, max: 5 }), async (pair, shift) => {
        expect(await klOf(pair)).toBeGreaterThan(-1e-5);
        const shifted = pair.student.map((row) => row.map((x) => x + shift));
        expect(Math.abs(await klOf({ student: pair.student, teacher: shifted }))).toBeLessThan(1e-5);
        close(await klOf({ student: shifted, teacher: pair.teacher }), await klOf(pair));
      }),
      runs,
    );
    expect(await klOf({ student: [[0, 1]], teacher: [[1, 0]] })).toBeGreaterThan(0.4);
  });

  it("does not see the order of rows or of the vocabulary", async () => {
    await fc.assert(
      fc.asyncProperty(pairs(8, true), async (pair) => {
        const kl = await klOf(pair);
        close(await klOf({ student: pair.student.toReversed(), teacher: pair.teacher.toReversed() }), kl);
        const turn = (rows: number[][]) => rows.map((row) => row.toReversed());
        close(await klOf({ student: turn(pair.student), teacher: turn(pair.teacher) }), kl);
      }),
      runs,
    );
  });

  it("stays finite for logits of ±1e4, with its gradient", async () => {
    await fc.assert(
      fc.asyncProperty(pairs(1e4), async (pair) => {
        expect(Number.isFinite(await klOf(pair))).toBe(true);
        const teacher = matrix(pair.teacher);
        const [got] = grads((s: Tensor) => forwardKl({ student: s as Tensor2D, teacher }))([matrix(pair.student)]) as [
          Tensor,
        ];
        expect((await valuesOf(got)).every(Number.isFinite)).toBe(true);
      }),
      runs,
    );
  });

  it("adds up over micro-batches that share one count", async () => {
    await fc.assert(
      fc.asyncProperty(pairs(8), async (pair) => {
        const count = pair.student.length;
        const parts = await Promise.all(
          pair.student.map((row, i) => klOf({ student: [row], teacher: [pair.teacher[i] as number[]] }, { count })),
        );
        close(
          parts.reduce((a, b) => a + b, 0),
          await klOf(pair),
        );
      }),
      runs,
    );
  });

  const student = () =>
    matrix([
      [1, 2, 3],
      [0, 1, 0],
    ]);
  const teacher = () =>
    matrix([
      [3, 1, 0],
      [2, 2, 2],
    ]);

  it("is 0 with a zero gradient over no rows, also when a whole step has none", async () => {
    for (const count of [{}, { count: 0 }, { count: 4 }]) {
      const run = (s: Tensor) =>
        forwardKl({ student: s as Tensor2D, teacher: teacher(), rows: new Int32Array(0), ...count });
      expect(await numberOf(run(student()))).toBe(0);
      expect([...(await valuesOf(grads(run)([student()])[0] as Tensor))]).toEqual([0, 0, 0, 0, 0, 0]);
    }
    expect(await numberOf(crossEntropy({ student: student(), labels: Int32Array.of(-100, -100) }))).toBe(0);
  });

  it("reads factors as their product and leaves a constant head alone", async () => {
    const [hidden, head] = [
      student(),
      matrix([
        [1, 0, 1],
        [2, 1, 0],
        [0, 0, 1],
        [1, 1, 1],
      ]),
    ];
    const wide = matMul(teacher(), head, false, true) as Tensor2D;
    const narrow = matMul(hidden, head, false, true) as Tensor2D;
    const dense = await numberOf(forwardKl({ student: narrow, teacher: wide }));
    const run = (h: Tensor) =>
      forwardKl({ student: { hidden: h as Tensor2D, head: constant(head) }, teacher: { hidden: teacher(), head } });
    close(await numberOf(run(hidden)), dense);
    expect(grads(run)([hidden])).toHaveLength(1);
  });

  it("names what is wrong", () => {
    expect(() => forwardKl({ student: student(), teacher: matrix([[1, 2, 3]]) })).toThrow(
      /teacher must be \[R W\] with R=2, got \[1, 3\]/,
    );
    expect(() => forwardKl({ student: reshape(student(), [6]) as never, teacher: teacher() })).toThrow(
      /student must be \[R V\]/,
    );
    expect(() => forwardKl({ student: student(), teacher: teacher(), rows: Int32Array.of(2) })).toThrow(
      /index must be in 0…1, got 2/,
    );
    expect(() => forwardKl({ student: student(), teacher: teacher(), count: 0 })).toThrow(
      /count must be above 0 for 2 rows/,
    );
    expect(() => crossEntropy({ student: student(), labels: Int32Array.of(0, 3) })).toThrow(/label 3 of row 1/);
    expect(() => crossEntropy({ student: student(), labels: Int32Array.of(0) })).toThrow(/labels must be \[R\]/);
  });

  it("frees everything but its result", () => {
    const [s, t] = [student(), teacher()];
    tidy(() => void forwardKl({ student: s, teacher: t }));
    const before = memory().numTensors;
    const rows = Int32Array.of(1, 0);
    forwardKl({ student: s, teacher: t, rows }).dispose();
    crossEntropy({ student: s, labels: rows, rows }).dispose();
    for (const term of Object.values(mdist({ student: s, teacher: t, responseRows: rows, visualRows: rows })))
      term.dispose();
    expect(memory().numTensors).toBe(before);
    const [gradient] = grads(
      (x: Tensor) => mdist({ student: x as Tensor2D, teacher: t, responseRows: rows, visualRows: rows }).loss,
    )([s]);
    gradient?.dispose();
    expect(memory().numTensors).toBe(before);
  });
});
