import { type Tensor1D, type Tensor4D, tensor, tidy, useBackend } from "@kd/tensor-core";
import { beforeAll, expect, it } from "vitest";
import {
  alignedLayers,
  attentionAlignment,
  bild,
  hiddenCosine,
  hiddenMse,
  rdist,
  selfCorrelations,
} from "../src/index.ts";
import { tensorOfMatrix } from "./matrices.ts";

// a program reads the code, a person the message: other tests are about that
const z = () =>
  tensorOfMatrix([
    [1, 2, 3],
    [0, 1, 0],
  ]);
const one = () => tensorOfMatrix([[1, 2, 3]]);
const given = () => ({ student: z(), teacher: z() });
const maps = (batch: number, t: number, heads = 1) =>
  tensor(
    Array.from({ length: batch * heads * t * t }, (_, i) => 0.1 + ((i * 7) % 5)),
    [batch, heads, t, t],
  ) as Tensor4D;
const attention = (span: object, more: object = {}) =>
  attentionAlignment({
    student: [maps(2, 4)],
    teacher: [[maps(2, 4, 2)]],
    spans: [
      { sample: 0, start: 0, length: 4 },
      { sample: 1, start: 1, length: 3, ...span },
    ],
    ...more,
  });

const WRONG: [string, string, () => unknown][] = [
  [
    "KD_SHAPE",
    "rdist: student and teacher must have the same number of tokens, got 2 and 1",
    () => rdist({ ...given(), teacher: one(), lengths: [2] }),
  ],
  [
    "KD_SHAPE",
    "rdist: lengths must be whole and add up to the 2 rows, got 3 of 1 spans; give",
    () => rdist({ ...given(), lengths: [3] }),
  ],
  [
    "KD_SHAPE",
    "rdist: lengths must be whole and add up to the 2 rows, got 2 of 2 spans",
    () => rdist({ ...given(), lengths: [0.5, 1.5] }),
  ],
  [
    "KD_SHAPE",
    "rdist: lengths must be whole and add up to the 1 rows",
    () => rdist({ ...given(), rows: Int32Array.of(1), lengths: [2] }),
  ],
  [
    "KD_SHAPE",
    "rdist: teacher.grams must be [4], n² of every span, got [1]",
    () => rdist({ student: z(), teacher: { grams: tensor([1]) as Tensor1D }, lengths: [2] }),
  ],
  ["KD_SHAPE", "rdist: lengths must be whole", () => rdist({ ...given(), lengths: [3, -1] })],
  [
    "KD_SHAPE",
    "teacher.grams must be [4], n² of every span, got [1, 2]",
    () => rdist({ student: z(), teacher: { grams: tensorOfMatrix([[1, 2]]) as never }, lengths: [2] }),
  ],
  [
    "KD_SHAPE",
    "an index must be in 0…0",
    () => rdist({ ...given(), teacher: one(), rows: Int32Array.of(0, 1), lengths: [2] }),
  ],
  ["KD_SHAPE", "selfCorrelations: lengths must be", () => selfCorrelations({ from: z(), lengths: [1] })],
  ["KD_SHAPE", "bild: student and teacher must have the same number", () => bild({ ...given(), teacher: one(), k: 2 })],
  [
    "KD_SHAPE",
    "hiddenMse: student must be [N D], got [2]",
    () => hiddenMse({ student: tensor([1, 2]) as never, teacher: z() }),
  ],
  [
    "KD_SHAPE",
    "hiddenMse: projection must be [E D] with D=3, got [1, 2]",
    () => hiddenMse({ ...given(), projection: tensorOfMatrix([[1, 2]]) }),
  ],
  [
    "KD_SHAPE",
    "hiddenCosine: teacher must be [N E] with N=2, got [1, 3]",
    () => hiddenCosine({ student: z(), teacher: one() }),
  ],
  [
    "KD_SHAPE",
    "hiddenCosine: student and teacher must be equally wide, got 3 and 2",
    () =>
      hiddenCosine({
        student: z(),
        teacher: tensorOfMatrix([
          [1, 2],
          [3, 4],
        ]),
      }),
  ],
  ["KD_SHAPE", "got none for 1", () => attention({}, { teacher: [] })],
  ["KD_SHAPE", "got none for 0", () => attention({}, { student: [], teacher: [] })],
  [
    "KD_SHAPE",
    "got 1, 0 for 2",
    () => attention({}, { student: [maps(2, 4), maps(2, 4)], teacher: [[maps(2, 4)], []] }),
  ],
  [
    "KD_SHAPE",
    "attentionAlignment: layer 0: student must be [2 H 4 4]",
    () => attention({}, { student: [tensor(new Float32Array(32), [2, 1, 4, 4, 1]) as never] }),
  ],
  [
    "KD_SHAPE",
    "attentionAlignment: layer 0: student must be [2 H 3 3] with 3=3, got [2, 1, 3, 4]",
    () => attention({}, { student: [tensor(new Float32Array(24), [2, 1, 3, 4]) as never] }),
  ],
  ["KD_SHAPE", "layer 0: teacher 1 must be [2 G 4 4]", () => attention({}, { teacher: [[maps(2, 4), maps(1, 4)]] })],
  [
    "KD_SHAPE",
    "layer 1: teacher 0 must be [2 G 4 4]",
    () => attention({}, { student: [maps(2, 4), maps(2, 4)], teacher: [[maps(2, 4)], [maps(2, 3)]] }),
  ],
  ["KD_SHAPE", "a span must lie in 2 samples of 4 tokens, got sample -1, 1 to 4", () => attention({ sample: -1 })],
  ["KD_SHAPE", "got sample 2, 1 to 4", () => attention({ sample: 2 })],
  ["KD_SHAPE", "got sample 1, -1 to 2", () => attention({ start: -1 })],
  ["KD_SHAPE", "got sample 1, 2 to 5", () => attention({ start: 2 })],
  ["KD_SHAPE", "got sample 1, 1 to 1", () => attention({ length: 0 })],
  [
    "KD_CONFIG",
    "attentionAlignment: count must be above 0 for 2 rows, got NaN",
    () => attention({}, { count: Number.NaN }),
  ],
  [
    "KD_CONFIG",
    "rdist: count must be above 0 for 1 spans, got 0",
    () => rdist({ ...given(), lengths: [2, 0], count: 0 }),
  ],
  [
    "KD_CONFIG",
    "rdist: count must be above 0 for 2 spans, got -1",
    () => rdist({ ...given(), lengths: [1, 1], count: -1 }),
  ],
  [
    "KD_CONFIG",
    "rdist: count must be above 0 for 1 spans, got NaN",
    () => rdist({ ...given(), lengths: [2], count: Number.NaN }),
  ],
  [
    "KD_CONFIG",
    'rdist: flavour must be one of per-span, whole-batch, got "flat"',
    () => rdist({ ...given(), lengths: [2], flavour: "flat" as never }),
  ],
  [
    "KD_CONFIG",
    'selfCorrelations: over must be one of common-vocabulary, own-vocabulary, hidden, got "x"',
    () => selfCorrelations({ from: z(), lengths: [2], over: "x" as never }),
  ],
  [
    "KD_CONFIG",
    'selfCorrelations: centre must be one of none, tokens, both, got "x"',
    () => selfCorrelations({ from: z(), lengths: [2], centre: "x" as never }),
  ],
  ["KD_CONFIG", "bild: k must be whole, from 2 to the 3 common ids, got 4", () => bild({ ...given(), k: 4 })],
  ["KD_CONFIG", "bild: k must be whole, from 2 to the 3 common ids, got 1", () => bild({ ...given(), k: 1 })],
  ["KD_CONFIG", "bild: k must be whole, from 2 to the 3 common ids, got 2.5", () => bild({ ...given(), k: 2.5 })],
  [
    "KD_CONFIG",
    "bild: k must be whole, from 2 to the 2 common ids, got 3",
    () =>
      bild({
        student: z(),
        teacher: tensorOfMatrix([
          [1, 2],
          [3, 4],
        ]),
        k: 3,
      }),
  ],
  ["KD_CONFIG", "bild: temperature must be above 0, got 0", () => bild({ ...given(), k: 2, temperature: 0 })],
  [
    "KD_CONFIG",
    "bild: temperature must be above 0, got NaN",
    () => bild({ ...given(), k: 2, temperature: Number.NaN }),
  ],
  [
    "KD_CONFIG",
    "bild: count must be above 0 for 2 rows, got 0; leave it out",
    () => bild({ ...given(), k: 2, count: 0 }),
  ],
  [
    "KD_CONFIG",
    "hiddenMse: count must be above 0 for 1 rows, got 0",
    () => hiddenMse({ ...given(), rows: Int32Array.of(1), count: 0 }),
  ],
  [
    "KD_CONFIG",
    "hiddenCosine: count must be above 0 for 2 rows, got -1",
    () => hiddenCosine({ ...given(), count: -1 }),
  ],
  [
    "KD_CONFIG",
    "alignedLayers: student must have 24, 28, 32, 40 layers, got 12",
    () => alignedLayers({ student: 12, teacher: 24 }),
  ],
  [
    "KD_CONFIG",
    "alignedLayers: teacher must have 24, 28, 32, 40 layers, got 6",
    () => alignedLayers({ student: 24, teacher: 6 }),
  ],
];

beforeAll(async () => {
  await useBackend({ engine: "cpu" });
});

it.each(WRONG)("%s: %s", (code, text, run) => {
  expect(() => tidy(() => void run())).toThrow(
    expect.objectContaining({ name: "KdError", code, message: expect.stringContaining(text) }),
  );
});

it("what lies at a bound is taken", () => {
  const value = (of: () => { dataSync(): ArrayLike<number> }) => tidy(() => of().dataSync()[0] as number);
  expect(value(() => attention({}))).toBeGreaterThan(0);
  expect(Number.isFinite(value(() => attention({ length: 1 })))).toBe(true);
  const student = tensorOfMatrix([
    [3, 1, 0],
    [0, 2, 1],
  ]);
  expect(value(() => bild({ student, teacher: z(), k: 3 }))).toBeGreaterThan(0);
  expect(value(() => bild({ student, teacher: z(), k: 2, count: 4 }))).toBeCloseTo(
    value(() => bild({ student, teacher: z(), k: 2 })) / 2,
    5,
  );
  const nothing = { rows: new Int32Array(0), count: 0 };
  expect(value(() => hiddenMse({ student, teacher: z(), ...nothing }))).toBe(0);
  expect(value(() => rdist({ student, teacher: one(), lengths: [], ...nothing }))).toBe(0);
  // rows of either side that are not read need no counterpart
  const more = tensorOfMatrix([
    [1, 2, 3],
    [0, 1, 0],
    [5, 0, 1],
  ]);
  const read = { rows: Int32Array.of(0, 1), teacher: more, student };
  expect(value(() => rdist({ ...read, lengths: [2] }))).toBe(
    value(() => rdist({ student, teacher: z(), lengths: [2] })),
  );
  expect(value(() => bild({ ...read, k: 2 }))).toBeCloseTo(
    value(() => bild({ student, teacher: z(), k: 2 })),
    6,
  );
});

it("alignedLayers of every depth", () => {
  const of = (depth: number) => {
    const { student, teacher } = alignedLayers({ student: depth, teacher: depth });
    return [student[0], student.at(-1), teacher[0]?.[0], teacher[0]?.length, teacher.at(-1)?.at(-1)];
  };
  expect([24, 28, 32, 40].map(of)).toEqual([
    [8, 14, 8, 2, 15],
    [9, 15, 9, 3, 17],
    [11, 17, 11, 3, 19],
    [13, 19, 13, 5, 23],
  ]);
});
