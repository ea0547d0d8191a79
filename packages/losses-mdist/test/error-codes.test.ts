import { type LogitRows, type Tensor2D, tensor, tidy, useBackend } from "@kd/tensor-core";
import { beforeAll, expect, it } from "vitest";
import { commonVocabulary, crossEntropy, forwardKl, mdist, topKForwardKl, topKRows } from "../src/index.ts";
import { matrix } from "./matrices.ts";

// a program reads the code, a person the message: other tests are about that
const student = () =>
  matrix([
    [1, 2, 3],
    [0, 1, 0],
  ]);
const given = () => ({ student: student(), teacher: student() as LogitRows });
const all = { responseRows: Int32Array.of(0), visualRows: Int32Array.of(1) };
const int32 = (...rows: number[][]) => tensor(rows, [rows.length, rows[0]?.length ?? 0], "int32") as Tensor2D;

const WRONG: [string, string, () => unknown][] = [
  ["KD_SHAPE", "rowWeights must be", () => forwardKl({ ...given(), rowWeights: [1] })],
  ["KD_SHAPE", "rowWeights must be", () => forwardKl({ ...given(), rowWeights: [1, 1, 1] })],
  ["KD_SHAPE", "teacher must be", () => forwardKl({ ...given(), teacher: matrix([[1, 2, 3]]) })],
  ["KD_SHAPE", "an index must be", () => forwardKl({ ...given(), rows: Int32Array.of(2) })],
  ["KD_SHAPE", "an index must be", () => forwardKl({ ...given(), rows: Int32Array.of(-1) })],
  ["KD_SHAPE", "labels must be", () => crossEntropy({ student: student(), labels: Int32Array.of(1) })],
  ["KD_SHAPE", "k from 1 to 3, got [2, 0]", () => topK({ ids: int32([], []), logProbs: matrix([[], []]) })],
  ["KD_CONFIG", "got -1 for row 0", () => forwardKl({ ...given(), rowWeights: [-1, 1] })],
  ["KD_CONFIG", "got Infinity for row 1", () => forwardKl({ ...given(), rowWeights: [1, Number.POSITIVE_INFINITY] })],
  ["KD_CONFIG", "count must be", () => forwardKl({ ...given(), count: 0 })],
  ["KD_CONFIG", "got Infinity", () => forwardKl({ ...given(), count: Number.POSITIVE_INFINITY })],
  ["KD_CONFIG", "temperature must be", () => forwardKl({ ...given(), temperature: 0 })],
  ["KD_CONFIG", "chunkSize must be", () => forwardKl({ ...given(), chunkSize: 0.5 })],
  ["KD_CONFIG", "vocabulary must be", () => forwardKl({ ...given(), vocabulary: 4 })],
  [
    "KD_CONFIG",
    "crossEntropy: chunkSize must be",
    () => crossEntropy({ student: student(), labels: Int32Array.of(1, 1), chunkSize: 0 }),
  ],
  ["KD_CONFIG", "no such divergence", () => mdist({ ...given(), ...all, divergence: {} as never })],
  ["KD_CONFIG", "responseWeight must be", () => mdist({ ...given(), ...all, responseWeight: -1 })],
  ["KD_CONFIG", "got Infinity", () => mdist({ ...given(), ...all, visualWeight: Number.POSITIVE_INFINITY })],
  ["KD_CONFIG", "topKRows: k must be", () => topKRows(student(), 4)],
  ["KD_CONFIG", "topKRows: k must be", () => topKRows(student(), 0)],
  ["KD_CONFIG", "topKRows: temperature", () => topKRows(student(), 1, { temperature: Number.POSITIVE_INFINITY })],
  ["KD_DATA", "student must have tokens", () => commonVocabulary([], ["a"])],
  ["KD_DATA", "must stand for one string", () => commonVocabulary(["b"], ["a"])],
  [
    "KD_DATA",
    "label 3 of row 0 must be below the vocabulary's 3; tokenizer and model differ",
    () => crossEntropy({ student: student(), labels: Int32Array.of(3, 0) }),
  ],
  [
    "KD_DATA",
    "label 2 of row 1 must be below the vocabulary's 2; tokenizer",
    () => crossEntropy({ student: { hidden: student(), head: student() }, labels: Int32Array.of(1, 2) }),
  ],
  ["KD_DATA", "ids must be in 0…2, got 3 in row 1", () => topK({ ids: int32([0, 1], [0, 3]) })],
  ["KD_DATA", "got 2 twice in row 1", () => topK({ ids: int32([0, 1], [2, 2]) })],
  [
    "KD_DATA",
    "logProbs must be finite and at most 0, got 1 in row 1",
    () =>
      topK({
        logProbs: matrix([
          [-1, -1],
          [-1, 1],
        ]),
      }),
  ],
  ["KD_DATA", "tailMass must be from 0 to 1, got 2 in row 1", () => topK({ tailMass: tensor([0, 2]) })],
  [
    "KD_DIVERGED",
    "got NaN in row 0",
    () => forwardKl({ student: matrix([[Number.NaN, 0]]), teacher: matrix([[0, 0]]) }),
  ],
  [
    "KD_DIVERGED",
    "got NaN in row 1",
    () =>
      forwardKl({
        ...given(),
        student: matrix([
          [0, 0],
          [0, Number.NaN],
        ]),
      }),
  ],
];

function topK(more: object) {
  const ids = int32([0, 1], [1, 0]);
  const logProbs = matrix([
    [-1, -1],
    [-1, -1],
  ]);
  return topKForwardKl({ student: student(), teacher: { ids, logProbs, ...more } });
}

beforeAll(async () => {
  await useBackend({ engine: "cpu" });
});

it.each(WRONG)("%s: %s", (code, text, run) => {
  expect(() => tidy(() => void run())).toThrow(
    expect.objectContaining({ name: "KdError", code, message: expect.stringContaining(text) }),
  );
});

it("what lies at a bound is taken", () => {
  tidy(() => {
    const value = (loss: { dataSync(): ArrayLike<number> }) => loss.dataSync()[0] as number;
    expect(value(forwardKl({ ...given(), rowWeights: [0, 0] }))).toBe(0);
    expect(value(forwardKl({ ...given(), chunkSize: 1, vocabulary: 1 }))).toBe(0);
    const { loss, response } = mdist({
      ...given(),
      teacher: matrix([
        [3, 1, 2],
        [2, 1, 0],
      ]),
      ...all,
      visualWeight: 0,
    });
    expect(value(loss)).toBe(value(response));
    const sure = topKRows(
      matrix([
        [9, 0, 0],
        [0, 9, 0],
      ]),
      1,
      { vocabulary: 3, chunkSize: 1 },
    );
    expect(sure.ids.dtype).toBe("int32");
    for (const mass of [
      [0, 0],
      [1, 1],
    ])
      expect(
        value(topKForwardKl({ student: student(), teacher: { ...sure, tailMass: tensor(mass) } })),
      ).toBeGreaterThan(0);
  });
});
