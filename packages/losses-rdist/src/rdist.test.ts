import { constant, grads, memory, type Tensor, type Tensor1D, type Tensor2D, tidy, useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { runsOf } from "../../tensor-core/test/runs.ts";
import { close, numberOf } from "../test/loss-checks.ts";
import { type Rows, tensorOfMatrix } from "../test/matrices.ts";
import { type Case, cases, forms, logitsOf, reference, type Side } from "../test/relation-cases.ts";
import { type RdistForm, type RdistOptions, rdist, selfCorrelations } from "./index.ts";

const factors = ({ hidden, head }: Side) => ({ hidden: tensorOfMatrix(hidden), head: tensorOfMatrix(head) });
const dense = (side: Side) => tensorOfMatrix(logitsOf(side));
const distanceOf = ({ student, teacher, lengths }: Case, more: Partial<RdistOptions> = {}): number =>
  numberOf(() => rdist({ student: factors(student), teacher: factors(teacher), lengths, ...more }));

/** Gradients of hidden and head, in arrays. */
function slopes({ student, teacher, lengths }: Case, form: RdistForm): [number[][], number[][]] {
  return tidy(() => {
    const run = (hidden: Tensor, head: Tensor) =>
      rdist({
        student: { hidden: hidden as Tensor2D, head: head as Tensor2D },
        teacher: factors(teacher),
        lengths,
        ...form,
      });
    const { hidden, head } = factors(student);
    return grads(form.over === "hidden" ? (h: Tensor) => run(h, head) : run)(
      form.over === "hidden" ? [hidden] : [hidden, head],
    ).map((g) => g.arraySync()) as [number[][], number[][]];
  });
}

const moved = (rows: Rows, r: number, j: number, by: number): Rows =>
  rows.map((row, i) => (i === r ? row.map((x, k) => (k === j ? x + by : x)) : row));
const mapped = (side: Side, map: (row: readonly number[]) => readonly number[]): Side => ({
  hidden: side.hidden.map(map),
  head: side.head.map(map),
});
const runs = runsOf(5, 60);
const logitForms = forms.filter(({ over }) => over !== "hidden");

describe.each(syncEngines)("rdist on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("is the definition in float64, of dense rows and of factors, between 0 and 1", () => {
    fc.assert(
      fc.property(cases(), forms, (given, form) => {
        const expected = reference(given, form);
        fc.pre(expected !== undefined);
        const got = distanceOf(given, form);
        close(got, expected);
        expect(got).toBeGreaterThan(-1e-6);
        expect(got).toBeLessThan(1 + 1e-6);
        const see = form.over === "hidden" ? (side: Side) => tensorOfMatrix(side.hidden) : dense;
        close(distanceOf(given, { ...form, student: see(given.student), teacher: see(given.teacher) }), expected);
      }),
      runsOf(5, 200),
    );
  });

  it("has the gradient of central differences of the definition", () => {
    fc.assert(
      fc.property(cases({ scale: 1 }), forms, (given, form) => {
        fc.pre(reference(given, form) !== undefined);
        const [hidden, head] = slopes(given, form);
        const check = (got: number[][] | undefined, at: (r: number, j: number, by: number) => Side) => {
          for (const [r, row] of (got ?? []).entries())
            for (const [j, x] of row.entries()) {
              const [up, down] = [1e-4, -1e-4].map((by) => reference({ ...given, student: at(r, j, by) }, form));
              if (up !== undefined && down !== undefined) close(x, (up - down) / 2e-4, 1e-3);
            }
        };
        check(hidden, (r, j, by) => ({ ...given.student, hidden: moved(given.student.hidden, r, j, by) }));
        check(head, (r, j, by) => ({ ...given.student, head: moved(given.student.head, r, j, by) }));
      }),
      runs,
    );
  });

  it("is 0 with no gradient for equal sides, and does not see either side's scale", () => {
    fc.assert(
      fc.property(cases(), forms, fc.constantFrom(0.25, -1, 3), (given, form, scale) => {
        const equal = { ...given, teacher: given.student };
        fc.pre(reference(equal, form) !== undefined && reference(given, form) !== undefined);
        close(distanceOf(equal, form), 0, 1e-6);
        for (const x of slopes(equal, form).flat(2)) close(x, 0, 1e-5);
        const scaled = (side: Side) => ({ ...side, hidden: side.hidden.map((row) => row.map((x) => x * scale)) });
        close(distanceOf({ ...given, student: scaled(given.student) }, form), distanceOf(given, form));
        close(distanceOf({ ...given, teacher: scaled(given.teacher) }, form), distanceOf(given, form));
      }),
      runs,
    );
    const [one, two] = [
      [
        [1, 0],
        [0, 1],
      ],
      [
        [1, 0],
        [1, 0],
      ],
    ].map((rows) => tensorOfMatrix(rows)) as [Tensor2D, Tensor2D];
    expect(numberOf(() => rdist({ student: one, teacher: two, lengths: [2] }))).toBeCloseTo(1 - Math.SQRT1_2, 5);
  });

  it("does not see a rotation of hidden space that the head shares", () => {
    fc.assert(
      fc.property(cases(), forms, fc.double({ min: 0, max: 6, noNaN: true }), (given, form, angle) => {
        fc.pre(reference(given, form) !== undefined && !(form.over === "hidden" && form.centre === "both"));
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        const turn = ([x = 0, y = 0, ...rest]: readonly number[]) => [c * x - s * y, s * x + c * y, ...rest];
        close(distanceOf({ ...given, student: mapped(given.student, turn) }, form), distanceOf(given, form), 5e-5);
      }),
      runs,
    );
  });

  it("does not see the order of spans, of rows in a span, or of the vocabulary; of its own not even one side's", () => {
    fc.assert(
      fc.property(cases({ sameVocabulary: true }), forms, (given, form) => {
        fc.pre(reference(given, form) !== undefined);
        const expected = distanceOf(given, form);
        const turned = (side: Side) => ({ ...side, hidden: side.hidden.toReversed() });
        const order = {
          student: turned(given.student),
          teacher: turned(given.teacher),
          lengths: given.lengths.toReversed(),
        };
        close(distanceOf(order, form), expected);
        const ids = (side: Side) => ({ ...side, head: side.head.toReversed() });
        close(distanceOf({ ...given, student: ids(given.student), teacher: ids(given.teacher) }, form), expected);
        if (form.over !== "common-vocabulary")
          close(distanceOf({ ...given, student: ids(given.student) }, form), expected);
      }),
      runs,
    );
  });

  it("does not see, when centred, what all tokens share, nor when double-centred what softmax does not see", () => {
    fc.assert(
      fc.property(cases(), logitForms, (given, form) => {
        fc.pre(reference(given, form) !== undefined && form.centre !== "none");
        const teacher = dense(given.teacher);
        const at = (z: Rows) => distanceOf(given, { ...form, student: tensorOfMatrix(z), teacher });
        const z = logitsOf(given.student);
        close(at(z.map((row) => row.map((x, j) => x + 4 * j))), at(z), 5e-5);
        if (form.centre === "both") close(at(z.map((row, i) => row.map((x) => x + 4 * i))), at(z), 5e-5);
      }),
      runs,
    );
  });

  it("takes a teacher's matrices that were kept", () => {
    fc.assert(
      fc.property(cases({ sameVocabulary: true }), forms, (given, form) => {
        const grams = tidy(() => selfCorrelations({ from: factors(given.teacher), lengths: given.lengths, ...form }));
        close(distanceOf(given, { ...form, teacher: { grams } }), distanceOf(given, form));
        grams.dispose();
      }),
      runs,
    );
  });

  it("of a batch is the mean over its spans, and adds up over micro-batches that share one count", () => {
    fc.assert(
      fc.property(cases(), forms, (given, form) => {
        fc.pre(reference(given, form) !== undefined && form.flavour === "per-span");
        const { student, teacher, lengths } = given;
        let at = 0;
        const parts = lengths.map((n) => {
          const rows = Int32Array.from({ length: n }, () => at++);
          return numberOf(() =>
            rdist({
              student: factors(student),
              teacher: factors(teacher),
              rows,
              lengths: [n],
              count: lengths.length,
              ...form,
            }),
          );
        });
        close(
          parts.reduce((a, b) => a + b, 0),
          distanceOf(given, form),
        );
      }),
      runs,
    );
  });

  it("stays finite for logits of ±1e4 and for zeros, with its gradient", () => {
    const check = (given: Case, form: RdistForm) => {
      expect(Number.isFinite(distanceOf(given, form))).toBe(true);
      expect(slopes(given, form).flat(2).every(Number.isFinite)).toBe(true);
    };
    fc.assert(fc.property(cases({ scale: 100 }), forms, check), runs);
    const [zero, some] = [
      { hidden: [[0, 0]], head: [[1, 2]] },
      { hidden: [[1, 2]], head: [[3, 1]] },
    ];
    for (const form of [{}, { unitRows: true }, { centre: "tokens" as const }, { over: "hidden" as const }])
      for (const [student, teacher] of [
        [zero, some],
        [some, zero],
        [zero, zero],
      ] as [Side, Side][])
        check({ student, teacher, lengths: [1] }, form);
  });

  const z = () =>
    tensorOfMatrix([
      [1, 2, 3],
      [0, 1, 0],
      [2, 0, 1],
    ]);
  const other = () =>
    tensorOfMatrix([
      [3, 1, 0],
      [2, 2, 2],
      [1, 0, 0],
    ]);

  it("is 0 with a zero gradient without spans, and an empty span counts for nothing", () => {
    for (const more of [{}, { count: 0 }, { count: 3 }, { centre: "both" as const, unitRows: true }]) {
      const run = (s: Tensor) =>
        rdist({ student: s as Tensor2D, teacher: other(), rows: new Int32Array(0), lengths: [], ...more });
      expect(run(z()).dataSync()[0]).toBe(0);
      expect([...(grads(run)([z()])[0] as Tensor).dataSync()].every((x) => x === 0)).toBe(true);
    }
    const [student, teacher] = [z(), other()];
    for (const form of [{}, { centre: "tokens" as const, unitRows: true }])
      close(
        numberOf(() => rdist({ student, teacher, lengths: [1, 0, 2], ...form })),
        numberOf(() => rdist({ student, teacher, lengths: [1, 2], ...form })),
      );
  });

  it("says nothing of one token that is centred: it has no relations", () => {
    expect(numberOf(() => rdist({ student: z(), teacher: other(), lengths: [1, 1, 1], centre: "tokens" }))).toBe(0);
    const one = numberOf(() => rdist({ student: z(), teacher: tensorOfMatrix([[0], [0], [0]]), lengths: [3] }));
    expect(one).toBe(1); // the student has a direction, the teacher none
  });

  it("leaves a constant head and a constant student alone", () => {
    const { hidden, head } = { hidden: z(), head: other() };
    const run = (h: Tensor) =>
      rdist({
        student: { hidden: h as Tensor2D, head: constant(head) },
        teacher: other(),
        lengths: [3],
        centre: "both",
      });
    expect(grads(run)([hidden])).toHaveLength(1);
    close(
      numberOf(() => run(hidden)),
      numberOf(() =>
        rdist({ student: { hidden: constant(hidden), head }, teacher: other(), lengths: [3], centre: "both" }),
      ),
    );
  });

  it("names what is wrong", () => {
    const [student, teacher] = [z(), other()];
    const grams = tidy(() => selfCorrelations({ from: teacher, lengths: [3] }));
    expect(() => rdist({ student, teacher, lengths: [2] })).toThrow(/lengths must .* 3 rows, got 2 of 1 spans/);
    expect(() => rdist({ student, teacher, lengths: [4, -1] })).toThrow(/lengths must be whole/);
    expect(() => rdist({ student, teacher: tensorOfMatrix([[1, 2, 3]]), lengths: [3] })).toThrow(
      /same number of tokens, got 3 and 1 rows; let/,
    );
    expect(() => rdist({ student, teacher: { grams }, lengths: [1, 2] })).toThrow(
      /teacher.grams must be \[5\], n² of every span, got \[9\]/,
    );
    expect(() => rdist({ student, teacher, lengths: [3], count: 0 })).toThrow(/count must be above 0 for 1 spans/);
    expect(() => rdist({ student, teacher, lengths: [3], flavour: "flat" as never })).toThrow(
      /flavour must be one of per-span, whole-batch/,
    );
    expect(() => rdist({ student, teacher, lengths: [3], centre: "rows" as never })).toThrow(
      /centre must be one of none, tokens, both/,
    );
    expect(() => rdist({ student, teacher, lengths: [3], over: "logits" as never })).toThrow(/over must be one of/);
  });

  it("frees everything but its result", () => {
    const [student, teacher] = [z(), other()];
    const options = { teacher, lengths: [2, 1], rows: Int32Array.of(2, 0, 1) };
    tidy(() => void rdist({ student, ...options }));
    const before = memory().numTensors;
    for (const form of [{}, { centre: "both", unitRows: true, over: "own-vocabulary" }] as RdistForm[]) {
      rdist({ student, ...options, ...form }).dispose();
      expect(memory().numTensors).toBe(before);
      grads((s: Tensor) => rdist({ student: s as Tensor2D, ...options, ...form }))([student])[0]?.dispose();
      expect(memory().numTensors).toBe(before);
    }
    (selfCorrelations({ from: student, lengths: [3], centre: "tokens" }) as Tensor1D).dispose();
    expect(memory().numTensors).toBe(before);
  });
});
