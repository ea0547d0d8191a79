import { constant, grads, matMul, memory, type Tensor, type Tensor2D, tensor, tidy, useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { rdist } from "./index.ts";

interface Case {
  readonly student: number[][];
  readonly teacher: number[][];
  readonly lengths: number[];
}

/** Spans of logits of both sides. No row is near zero: a Gram matrix of zeros has no direction. */
const cases = (scale: number, more = fc.integer({ min: -2, max: 3 })): fc.Arbitrary<Case> =>
  fc
    .record({
      lengths: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
      v: fc.integer({ min: 2, max: 7 }),
      more,
    })
    .chain(({ lengths, v, more }) => {
      const rows = lengths.reduce((a, b) => a + b, 0);
      const matrix = (width: number) =>
        fc.array(
          fc
            .array(fc.double({ min: -scale, max: scale, noNaN: true }).map(Math.fround), {
              minLength: width,
              maxLength: width,
            })
            .map((row) => row.with(0, scale)),
          { minLength: rows, maxLength: rows },
        );
      return fc.record({ student: matrix(v), teacher: matrix(Math.max(1, v + more)), lengths: fc.constant(lengths) });
    });

const matrix = (rows: number[][]): Tensor2D =>
  tensor(rows.flat(), [rows.length, rows[0]?.length ?? 0], "float32") as Tensor2D;

/** The definition in float64. */
function reference({ student, teacher, lengths }: Case, flavour: string): number {
  const common = Math.min(student[0]?.length ?? 0, teacher[0]?.length ?? 0);
  const dot = (a: number[], b: number[]) => a.reduce((s, x, i) => s + x * (b[i] as number), 0);
  const gram = (z: number[][], from: number, n: number) => {
    const rows = z.slice(from, from + n).map((row) => row.slice(0, common));
    return rows.flatMap((a) => rows.map((b) => dot(a, b)));
  };
  const distance = (a: number[], b: number[]) => 1 - dot(a, b) / Math.sqrt(dot(a, a)) / Math.sqrt(dot(b, b));
  let at = 0;
  const grams = lengths.map((n) => {
    const pair = [gram(student, at, n), gram(teacher, at, n)] as const;
    at += n;
    return pair;
  });
  if (flavour === "whole-batch")
    return distance(
      grams.flatMap(([a]) => a),
      grams.flatMap(([, b]) => b),
    );
  return grams.reduce((s, [a, b]) => s + distance(a, b), 0) / lengths.length;
}

const distanceOf = ({ student, teacher, lengths }: Case, more: object = {}): number =>
  tidy(() => rdist({ student: matrix(student), teacher: matrix(teacher), lengths, ...more }).dataSync()[0] as number);
const close = (a: number, b: number, by = 1e-5): void =>
  expect(Math.abs(a - b)).toBeLessThanOrEqual(by * (1 + Math.abs(b)));
const flavours = fc.constantFrom("per-span" as const, "whole-batch" as const);
const runs = { numRuns: 40 };
const same = fc.constant(0);

describe.each(["cpu", "wasm"] as const)("rdist on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("is the definition in float64, in [0, 2]", () => {
    fc.assert(
      fc.property(cases(4), flavours, (given, flavour) => {
        const got = distanceOf(given, { flavour });
        close(got, reference(given, flavour));
        expect(got).toBeGreaterThan(-1e-5);
        expect(got).toBeLessThan(2 + 1e-5);
      }),
      runs,
    );
  });

  it("has the gradient of central differences of the definition", () => {
    fc.assert(
      fc.property(cases(2), flavours, (given, flavour) => {
        const options = { teacher: matrix(given.teacher), lengths: given.lengths, flavour };
        const [got] = grads((s: Tensor) => rdist({ student: s as Tensor2D, ...options }))([matrix(given.student)]) as [
          Tensor2D,
        ];
        for (const [r, row] of got.arraySync().entries())
          for (const [j, x] of row.entries()) {
            const moved = (by: number) => {
              const student = given.student.map((z, i) => (i === r ? z.with(j, (z[j] as number) + by) : z));
              return reference({ ...given, student }, flavour);
            };
            close(x, (moved(1e-4) - moved(-1e-4)) / 2e-4, 1e-4);
          }
      }),
      { numRuns: 15 },
    );
  });

  it("is zero for equal and for scaled logits, with no gradient along the scale", () => {
    fc.assert(
      fc.property(cases(4, same), flavours, fc.constantFrom(0.25, -1, 3), (given, flavour, scale) => {
        const scaled = given.student.map((row) => row.map((x) => x * scale));
        close(distanceOf({ ...given, teacher: scaled }, { flavour }), 0);
        if (flavour === "per-span") close(distanceOf({ ...given, student: scaled }), distanceOf(given));
      }),
      runs,
    );
    expect(
      distanceOf({
        student: [
          [1, 0],
          [0, 1],
        ],
        teacher: [
          [1, 0],
          [1, 0],
        ],
        lengths: [2],
      }),
    ).toBeGreaterThan(0.2);
  });

  it("does not see the order of the vocabulary, of spans, or of rows in a span", () => {
    fc.assert(
      fc.property(cases(4, same), flavours, (given, flavour) => {
        const expected = distanceOf(given, { flavour });
        const ids = (rows: number[][]) => rows.map((row) => row.toReversed());
        close(
          distanceOf({ ...given, student: ids(given.student), teacher: ids(given.teacher) }, { flavour }),
          expected,
        );
        const turned = {
          student: given.student.toReversed(),
          teacher: given.teacher.toReversed(),
          lengths: given.lengths.toReversed(),
        };
        close(distanceOf(turned, { flavour }), expected);
      }),
      runs,
    );
  });

  it("stays finite for logits of ±1e4 and for zeros, with its gradient", () => {
    const check = ({ student, teacher, lengths }: Case) => {
      const options = { teacher: matrix(teacher), lengths };
      expect(Number.isFinite(distanceOf({ student, teacher, lengths }))).toBe(true);
      const [got] = grads((s: Tensor) => rdist({ student: s as Tensor2D, ...options }))([matrix(student)]) as [Tensor];
      expect([...got.dataSync()].every(Number.isFinite)).toBe(true);
    };
    fc.assert(fc.property(cases(1e4), check), runs);
    check({ student: [[0, 0]], teacher: [[1, 2]], lengths: [1] });
    check({ student: [[1, 2]], teacher: [[0, 0]], lengths: [1] });
  });

  it("adds up over micro-batches that share one count", () => {
    const given = {
      student: [
        [1, 2],
        [3, 1],
        [0, 2],
      ],
      teacher: [
        [2, 1],
        [0, 1],
        [1, 1],
      ],
      lengths: [1, 2],
    };
    const first = distanceOf(
      { student: given.student.slice(0, 1), teacher: given.teacher.slice(0, 1), lengths: [1] },
      { count: 2 },
    );
    const second = distanceOf(
      { student: given.student.slice(1), teacher: given.teacher.slice(1), lengths: [2] },
      { count: 2 },
    );
    close(first + second, distanceOf(given));
  });

  const z = () =>
    matrix([
      [1, 2, 3],
      [0, 1, 0],
      [2, 0, 1],
    ]);
  const other = () =>
    matrix([
      [3, 1, 0],
      [2, 2, 2],
      [1, 0, 0],
    ]);

  it("is 0 with a zero gradient without spans, and an empty span counts for nothing", () => {
    for (const count of [{}, { count: 0 }, { count: 3 }]) {
      const run = (s: Tensor) =>
        rdist({ student: s as Tensor2D, teacher: other(), rows: new Int32Array(0), lengths: [], ...count });
      expect(run(z()).dataSync()[0]).toBe(0);
      expect([...(grads(run)([z()])[0] as Tensor).dataSync()].every((x) => x === 0)).toBe(true);
    }
    const [student, teacher] = [z(), other()];
    const plain = rdist({ student, teacher, lengths: [1, 2] }).dataSync()[0] as number;
    close(rdist({ student, teacher, lengths: [1, 0, 2] }).dataSync()[0] as number, plain);
  });

  it("reads factors as their product, over the common vocabulary, and leaves a constant head alone", () => {
    const [hidden, head] = [
      z(),
      matrix([
        [1, 0, 1],
        [2, 1, 0],
        [0, 0, 1],
        [1, 1, 1],
      ]),
    ];
    const dense = rdist({ student: matMul(hidden, head, false, true) as Tensor2D, teacher: other(), lengths: [3] });
    const run = (h: Tensor) =>
      rdist({ student: { hidden: h as Tensor2D, head: constant(head) }, teacher: other(), lengths: [3] });
    close(run(hidden).dataSync()[0] as number, dense.dataSync()[0] as number);
    expect(grads(run)([hidden])).toHaveLength(1);
  });

  it("names what is wrong", () => {
    const [student, teacher] = [z(), other()];
    expect(() => rdist({ student, teacher, lengths: [2] })).toThrow(/lengths must .* 3 rows, got 2 of 1 spans/);
    expect(() => rdist({ student, teacher: matrix([[1, 2, 3]]), lengths: [3] })).toThrow(/same number of visual tokens, got 3 and 1/);
    expect(() => rdist({ student, teacher, lengths: [3], count: 0 })).toThrow(/count must be above 0 for 1 spans/);
    expect(() => rdist({ student, teacher, lengths: [3], flavour: "flat" as never })).toThrow(/flavour/);
  });

  it("frees everything but its result", () => {
    const [student, teacher] = [z(), other()];
    const options = { teacher, lengths: [2, 1], rows: Int32Array.of(2, 0, 1) };
    tidy(() => void rdist({ student, ...options }));
    const before = memory().numTensors;
    rdist({ student, ...options }).dispose();
    expect(memory().numTensors).toBe(before);
    grads((s: Tensor) => rdist({ student: s as Tensor2D, ...options }))([student])[0]?.dispose();
    expect(memory().numTensors).toBe(before);
  });
});
