import { grads, mul, type Tensor, type Tensor4D, tensor, tidy, useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { runsOf } from "../../tensor-core/test/runs.ts";
import { checkNothing, checkTidyAndFinite, close, numberOf } from "../test/loss-checks.ts";
import { dot, meanOf } from "../test/matrices.ts";
import { alignedLayers, attentionAlignment } from "./index.ts";

type Maps = number[][][][]; // [B, H, T, T]
interface Span {
  readonly sample: number;
  readonly start: number;
  readonly length: number;
}
interface Case {
  readonly student: Maps[];
  readonly teacher: Maps[][];
  readonly spans: Span[];
}

/** One image's block of the mean over heads. */
const block = (maps: Maps, { sample, start, length }: Span): number[][] =>
  Array.from({ length }, (_, i) =>
    Array.from({ length }, (_, j) =>
      meanOf((maps[sample] ?? []).map((head) => head[start + i]?.[start + j] as number)),
    ),
  );
/** Mean + sample deviation; the deviation of one number is 0. */
function limit(values: readonly number[]): number {
  const centre = meanOf(values);
  const squares = values.reduce((s, x) => s + (x - centre) ** 2, 0);
  return centre + Math.sqrt(squares / Math.max(values.length - 1, 1));
}

/** The definition in float64. `from` decides what is a sink, so that a small step changes no choice; `margin` finds cases at the edge. */
function definition({ student, teacher, spans }: Case, from: Maps[] = student): { value: number; margin: number } {
  let [total, margin] = [0, Number.POSITIVE_INFINITY];
  for (const [layer, maps] of student.entries())
    for (const span of spans) {
      const ours = block(maps, span);
      const judged = block(from[layer] as Maps, span);
      const group = (teacher[layer] as Maps[]).map((one) => block(one, span));
      const theirs = ours.map((row, i) => row.map((_, j) => meanOf(group.map((one) => one[i]?.[j] as number))));
      const [a, b] = [limit(judged.flat()), limit(theirs.flat())];
      const columns = ours.map((_, j) => {
        const kept = ours.flatMap((row, i) => {
          const [s, d, t] = [row[j] as number, judged[i]?.[j] as number, theirs[i]?.[j] as number];
          margin = Math.min(margin, Math.abs(d - a), Math.abs(t - b));
          return d <= a && t <= b && t !== 0 ? [[s, t] as const] : [];
        });
        return kept.length === 0
          ? ([0, 0] as const)
          : ([meanOf(kept.map(([s]) => s)), meanOf(kept.map(([, t]) => t))] as const);
      });
      const [p, q] = [columns.map(([s]) => s), columns.map(([, t]) => t)];
      const lengths = [p, q].map((x) => Math.max(Math.sqrt(dot(x, x)), 1e-8)) as [number, number];
      total += 1 - dot(p, q) / lengths[0] / lengths[1];
    }
  return { value: total / spans.length, margin };
}

const T = 5;
/** Causal attention: rows add up to 1. */
const causal: fc.Arbitrary<Maps> = fc.array(
  fc.array(
    fc
      .array(fc.array(fc.double({ min: 0.05, max: 4, noNaN: true }), { minLength: T, maxLength: T }), {
        minLength: T,
        maxLength: T,
      })
      .map((rows) =>
        rows.map((row, i) => {
          const seen = row.map((x, j) => (j <= i ? x : 0));
          const sum = seen.reduce((a, b) => a + b, 0);
          return seen.map((x) => Math.fround(x / sum));
        }),
      ),
    { minLength: 2, maxLength: 2 },
  ),
  { minLength: 2, maxLength: 2 },
);
const span: fc.Arbitrary<Span> = fc
  .record({
    sample: fc.integer({ min: 0, max: 1 }),
    start: fc.integer({ min: 0, max: 2 }),
    length: fc.integer({ min: 2, max: T }),
  })
  .map((s) => ({ ...s, length: Math.min(s.length, T - s.start) }));
const cases: fc.Arbitrary<Case> = fc.record({
  student: fc.array(causal, { minLength: 2, maxLength: 2 }),
  teacher: fc.array(fc.array(causal, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 2 }),
  spans: fc.array(span, { minLength: 1, maxLength: 3 }),
});
const tensors = (maps: readonly Maps[]): Tensor4D[] => maps.map((m) => tensor(m) as Tensor4D);
const distance = ({ student, teacher, spans }: Case, more: object = {}): number =>
  numberOf(() => attentionAlignment({ student: tensors(student), teacher: teacher.map(tensors), spans, ...more }));
const runs = runsOf(6, 40);

describe.each(syncEngines)("attentionAlignment on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("is the definition in float64, between 0 and the number of layers", () => {
    fc.assert(
      fc.property(cases, (given) => {
        const { value, margin } = definition(given);
        fc.pre(margin > 1e-5);
        const got = distance(given);
        close(got, value);
        expect(got).toBeGreaterThan(-1e-5);
        expect(got).toBeLessThan(2 + 1e-5);
      }),
      runs,
    );
  });

  it("has the gradient of central differences, sinks being fixed", () => {
    fc.assert(
      fc.property(cases, (given) => {
        fc.pre(definition(given).margin > 1e-4);
        const [first, ...rest] = given.student as [Maps, ...Maps[]];
        const loss = (a: Tensor) =>
          attentionAlignment({
            student: [a as Tensor4D, ...tensors(rest)],
            teacher: given.teacher.map(tensors),
            spans: given.spans,
          });
        const slope = tidy(() => (grads(loss as never)([tensor(first)])[0] as Tensor4D).arraySync());
        for (const [b, h, i, j] of [
          [0, 0, 1, 0],
          [0, 1, 3, 2],
          [1, 0, 2, 2],
          [1, 1, 4, 1],
        ] as const) {
          const at = (by: number) => {
            const moved = structuredClone(first);
            (moved[b]?.[h]?.[i] as number[])[j] = (first[b]?.[h]?.[i]?.[j] as number) + by;
            return definition({ ...given, student: [moved, ...rest] }, given.student).value;
          };
          close(slope[b]?.[h]?.[i]?.[j] as number, (at(1e-5) - at(-1e-5)) / 2e-5, 2e-3);
        }
      }),
      runsOf(6, 15),
    );
  });

  it("is 0 for equal attention, and does not see the order of heads or of spans, nor what lies outside the images", () => {
    fc.assert(
      fc.property(cases, (given) => {
        fc.pre(definition(given).margin > 1e-5);
        close(distance({ ...given, teacher: given.student.map((maps) => [maps, maps]) }), 0, 1e-5);
        const expected = distance(given);
        const heads = given.student.map((maps) => maps.map((sample) => sample.toReversed()));
        close(distance({ ...given, student: heads, spans: given.spans.toReversed() }), expected);
        const inside = (b: number, i: number, j: number) =>
          given.spans.some((s) => [i, j].every((x) => b === s.sample && x >= s.start && x < s.start + s.length));
        const outside = given.student.map((maps) =>
          maps.map((sample, b) =>
            sample.map((head) => head.map((row, i) => row.map((x, j) => (inside(b, i, j) ? x : 9)))),
          ),
        );
        close(distance({ ...given, student: outside }), expected);
      }),
      runs,
    );
  });

  it("does not see attention that a sink gets, as long as it stays one", () => {
    const even = Array.from({ length: 4 }, (_, i) =>
      Array.from({ length: 4 }, (_, j) => (j > i ? 0 : 0.1 + 0.01 * i * j)),
    );
    const other = even.map((row, i) => row.map((x, j) => (x === 0 ? 0 : 0.2 - 0.02 * i - 0.01 * j)));
    const withSink = (size: number): Maps => [[even.map((row, i) => (i === 3 ? row.with(0, size) : row))]];
    const at = (size: number) =>
      distance({ student: [withSink(size)], teacher: [[[[other]]]], spans: [{ sample: 0, start: 0, length: 4 }] });
    close(at(5), at(50));
    expect(Math.abs(at(5) - at(0.1))).toBeGreaterThan(1e-4);
  });

  it("adds up over micro-batches that share one count", () => {
    fc.assert(
      fc.property(cases, (given) => {
        const parts = given.spans.map((one) => distance({ ...given, spans: [one] }, { count: given.spans.length }));
        close(
          parts.reduce((a, b) => a + b, 0),
          distance(given),
        );
      }),
      runs,
    );
  });

  const some = () =>
    tensor(
      Array.from({ length: 2 * 9 }, (_, i) => ((i * 7) % 5) / 5),
      [1, 2, 3, 3],
    ) as Tensor4D;

  it("stays finite for zeros and large numbers, leaves nothing behind, and is 0 without images", () => {
    const spans = [
      { sample: 0, start: 1, length: 2 },
      { sample: 0, start: 0, length: 1 },
    ];
    const teacher = [[some()]];
    const zeros = mul(some(), 0) as Tensor4D;
    for (const maps of [some(), zeros, mul(some(), 1e4)])
      checkTidyAndFinite((s) => attentionAlignment({ student: [s as Tensor4D], teacher, spans }), [maps]);
    checkTidyAndFinite((s) => attentionAlignment({ student: [s as Tensor4D], teacher: [[zeros]], spans }), [some()]);
    for (const count of [{}, { count: 0 }])
      checkNothing((s) => attentionAlignment({ student: [s as Tensor4D], teacher, spans: [], ...count }), [some()]);
  });

  it("names what is wrong", () => {
    const [student, teacher, spans] = [[some()], [[some()]], [{ sample: 0, start: 0, length: 3 }]];
    expect(() => attentionAlignment({ student, teacher: [], spans })).toThrow(
      /at least one layer for each of the student's, got none for 1/,
    );
    expect(() => attentionAlignment({ student, teacher: [[]], spans })).toThrow(/got 0 for 1/);
    const wide = tensor(new Float32Array(16), [1, 1, 4, 4]) as Tensor4D;
    expect(() => attentionAlignment({ student, teacher: [[wide]], spans })).toThrow(
      /layer 0: teacher 0 must be \[1 G 3 3\].*got \[1, 1, 4, 4\]/,
    );
    expect(() => attentionAlignment({ student, teacher, spans: [{ sample: 0, start: 1, length: 3 }] })).toThrow(
      /1 samples of 3 tokens, got sample 0, 1 to 4/,
    );
    expect(() => attentionAlignment({ student, teacher, spans, count: 0 })).toThrow(/count must be above 0 for 1 rows/);
  });
});

it("alignedLayers are the seven of each depth, a group of the teacher's for each", () => {
  const { student, teacher } = alignedLayers({ student: 24, teacher: 40 });
  expect(student).toEqual([8, 9, 10, 11, 12, 13, 14]);
  expect(teacher).toHaveLength(7);
  expect(teacher[0]).toEqual([13, 14, 15, 16, 17]);
  expect(teacher[6]).toEqual([19, 20, 21, 22, 23]);
  expect(alignedLayers({ student: 28, teacher: 24 })).toMatchObject({
    student: [9, 10, 11, 12, 13, 14, 15],
    teacher: { 0: [8, 9] },
  });
  expect(alignedLayers({ student: 32, teacher: 32 }).teacher[0]).toEqual([11, 12, 13]);
  expect(() => alignedLayers({ student: 24, teacher: 12 })).toThrow(
    /teacher must have 24, 28, 32, 40 layers, got 12; choose/,
  );
});
