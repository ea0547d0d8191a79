import { beforeAll, describe, expect, it } from "vitest";
import { memoryEngines } from "../../test/engines.ts";
import { int32 } from "../../test/tensors.ts";
import {
  type RowLossesOptions,
  rowLosses,
  spanGrams,
  type Tensor1D,
  type Tensor2D,
  tensor,
  tidy,
  topKRows,
  useBackend,
} from "../index.ts";

const matrix = (...rows: number[][]): Tensor2D => tensor(rows, [rows.length, rows[0]?.length ?? 0]) as Tensor2D;
const student = () => matrix([1, 2, 3], [0, 1, 0]);
const ids = (...rows: number[][]) => tensor(rows, [rows.length, rows[0]?.length ?? 0], "int32") as Tensor2D;
const topK = (more: object = {}) => ({
  ids: ids([0, 1], [1, 0]),
  logProbs: matrix([-1, -1], [-1, -1]),
  ...more,
});

// the numbers are seen without waiting for a device
describe.each(memoryEngines)("rows are checked on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  const CASES: [string, string, () => RowLossesOptions][] = [
    [
      "KD_SHAPE",
      "labels must be int32, got float32",
      () => ({ student: student(), labels: tensor([0, 1]) as Tensor1D }),
    ],
    ["KD_SHAPE", "labels must be [R] with R=2, got [3]", () => ({ student: student(), labels: int32(0, 1, 2) })],
    [
      "KD_SHAPE",
      "rowWeights must be [R] with R=2, got [1]",
      () => ({ student: student(), rowWeights: tensor([1]) as Tensor1D }),
    ],
    ["KD_SHAPE", "student must be [R V], got [3]", () => ({ student: tensor([1, 2, 3]) as never })],
    [
      "KD_SHAPE",
      "student.hidden must be [R D], got [3]",
      () => ({ student: { hidden: tensor([1, 2, 3]) as never, head: student() } }),
    ],
    [
      "KD_SHAPE",
      "student.head must be [V D] with D=3, got [1, 2]",
      () => ({ student: { hidden: student(), head: matrix([1, 2]) } }),
    ],
    [
      "KD_SHAPE",
      "teacher.hidden must be [R E] with R=2, got [1, 2]",
      () => ({ student: student(), teacher: { hidden: matrix([1, 2]), head: matrix([1, 2]) } }),
    ],
    [
      "KD_SHAPE",
      "teacher.head must be [W E] with E=3, got [1, 2]",
      () => ({ student: student(), teacher: { hidden: student(), head: matrix([1, 2]) } }),
    ],
    ["KD_SHAPE", "teacher must be [R W], got [2]", () => ({ student: student(), teacher: tensor([1, 2]) as never })],
    [
      "KD_SHAPE",
      "teacher.ids must be [R K] with R=2, got [1, 1]",
      () => ({ student: student(), teacher: topK({ ids: ids([0]) }) }),
    ],
    [
      "KD_SHAPE",
      "teacher.logProbs must be [R K] with K=2, got [2, 1]",
      () => ({ student: student(), teacher: topK({ logProbs: matrix([0], [0]) }) }),
    ],
    [
      "KD_SHAPE",
      "teacher.tailMass must be [R] with R=2, got [1]",
      () => ({ student: student(), teacher: topK({ tailMass: tensor([0]) }) }),
    ],
    [
      "KD_SHAPE",
      "teacher.ids must be int32",
      () => ({ student: student(), teacher: topK({ ids: matrix([0, 1], [0, 1]) }) }),
    ],
    [
      "KD_DATA",
      "label 3 of row 0 must be below the vocabulary's 3",
      () => ({ student: student(), labels: int32(3, 0) }),
    ],
    [
      "KD_DATA",
      "label 7 of row 1 must be below the vocabulary's 3",
      () => ({ student: student(), labels: int32(2, 7) }),
    ],
    [
      "KD_DATA",
      "teacher.ids must be in 0…1, got 2 in row 0",
      () => ({ student: student(), teacher: topK({ ids: ids([0, 2], [0, 1]), vocabulary: 2 }) }),
    ],
    [
      "KD_DATA",
      "teacher.ids must be different in a row, got 1 twice in row 1",
      () => ({ student: student(), teacher: topK({ ids: ids([0, 1], [1, 1]) }) }),
    ],
    [
      "KD_CONFIG",
      "divergence must be forwardKl for a teacher's top-k rows",
      () => ({ student: student(), teacher: topK(), divergence: { kind: "symmetricKl" } }),
    ],
    [
      "KD_CONFIG",
      "vocabulary must be a whole number from 1 to 2, the smaller side's, got 3",
      () => ({ student: student(), teacher: matrix([1, 2], [3, 4]), vocabulary: 3 }),
    ],
    [
      "KD_CONFIG",
      "teacher.vocabulary must be a whole number from 1 to 3, the smaller side's, got 4",
      () => ({ student: student(), teacher: topK({ vocabulary: 4 }) }),
    ],
    [
      "KD_CONFIG",
      "temperature must be above 0 and finite, got Infinity",
      () => ({ student: student(), temperature: Number.POSITIVE_INFINITY }),
    ],
    ["KD_CONFIG", "chunkSize must be at least 1, got NaN", () => ({ student: student(), chunkSize: Number.NaN })],
    [
      "KD_CONFIG",
      'no such divergence; see Divergence, got {"kind":"kl"}',
      () => ({ student: student(), divergence: { kind: "kl" } as never }),
    ],
    ["KD_CONFIG", "beta must be between 0 and 1", () => ({ student: student(), divergence: { kind: "jsd", beta: 1 } })],
    [
      "KD_CONFIG",
      "alpha must be at least 0 and below 1",
      () => ({ student: student(), divergence: { kind: "skewedReverseKl", alpha: 1 } }),
    ],
    [
      "KD_DIVERGED",
      "student.hidden must hold finite numbers, got NaN in row 1",
      () => ({
        student: { hidden: matrix([1, 2], [Number.NaN, 1]), head: matrix([1, 2], [2, 1]) },
        labels: int32(0, 0),
      }),
    ],
    [
      "KD_DIVERGED",
      "student.head must hold finite numbers, got -Infinity in row 0",
      () => ({
        student: { hidden: matrix([1, 2]), head: matrix([Number.NEGATIVE_INFINITY, 2], [2, 1]) },
        labels: int32(0),
      }),
    ],
    [
      "KD_DIVERGED",
      "teacher must hold finite numbers, got NaN in row 0",
      () => ({ student: matrix([1, 2]), teacher: matrix([Number.NaN, 1]) }),
    ],
    [
      "KD_DIVERGED",
      "teacher.head must hold finite numbers, got NaN in row 1",
      () => ({ student: matrix([1, 2]), teacher: { hidden: matrix([1]), head: matrix([0], [Number.NaN]) } }),
    ],
  ];
  it.each(CASES)("%s: %s", (code, text, options) => {
    for (const [where, more] of [
      ["rowLosses", {}],
      ["mine", { where: "mine" }],
    ] as const)
      expect(() => tidy(() => void rowLosses({ ...options(), ...more }))).toThrow(
        expect.objectContaining({ code, message: expect.stringContaining(`${where}: ${text}`) }),
      );
  });

  const OTHERS: [string, string, () => unknown][] = [
    ["KD_SHAPE", "topKRows: rows must be [R V], got [2]", () => topKRows(tensor([1, 2]) as never, 1)],
    [
      "KD_SHAPE",
      "topKRows: rows.head must be [V D] with D=3, got [1, 2]",
      () => topKRows({ hidden: student(), head: matrix([1, 2]) }, 1),
    ],
    [
      "KD_CONFIG",
      "topKRows: vocabulary must be a whole number from 1 to 3, got 0",
      () => topKRows(student(), 1, { vocabulary: 0 }),
    ],
    [
      "KD_CONFIG",
      "topKRows: k must be a whole number from 1 to 2, got 3",
      () => topKRows(student(), 3, { vocabulary: 2 }),
    ],
    ["KD_CONFIG", "topKRows: chunkSize must be", () => topKRows(student(), 1, { chunkSize: 0.5 })],
    [
      "KD_CONFIG",
      "topKRows: temperature must be above 0 and finite, got NaN",
      () => topKRows(student(), 1, { temperature: Number.NaN }),
    ],
    [
      "KD_CONFIG",
      "topKRows: temperature must be above 0 and finite, got 0",
      () => topKRows(student(), 1, { temperature: 0 }),
    ],
    [
      "KD_DIVERGED",
      "topKRows: rows must hold finite numbers, got NaN in row 1",
      () => topKRows(matrix([1, 2], [Number.NaN, 1]), 1),
    ],
    ["KD_SHAPE", "spanGrams: rows must be [N V], got [3]", () => spanGrams(tensor([1, 2, 3]) as never, [3])],
    [
      "KD_SHAPE",
      "spanGrams: hidden must be [N D], got [3]",
      () => spanGrams({ hidden: tensor([1, 2, 3]) as never, head: student() }, [3]),
    ],
    [
      "KD_SHAPE",
      "spanGrams: head must be [V D] with D=3, got [1, 2]",
      () => spanGrams({ hidden: student(), head: matrix([1, 2]) }, [2]),
    ],
    [
      "KD_SHAPE",
      "spanGrams: lengths must be whole and add up to the 2 rows, got 2 of 2 spans",
      () => spanGrams(student(), [0.5, 1.5]),
    ],
    [
      "KD_SHAPE",
      "spanGrams: lengths must be whole and add up to the 2 rows, got 2 of 2 spans",
      () => spanGrams(student(), [3, -1]),
    ],
    [
      "KD_SHAPE",
      "spanGrams: lengths must be whole and add up to the 2 rows, got 3 of 1 spans",
      () => spanGrams(student(), [3]),
    ],
  ];
  it.each(OTHERS)("%s: %s", (code, text, run) => {
    expect(() => tidy(() => void run())).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(text) }),
    );
  });

  it("an id may be listed in every row, and labels may be the last id", () => {
    tidy(() => {
      const found = rowLosses({ student: student(), teacher: topK({ ids: ids([0, 1], [0, 1]) }), labels: int32(2, 2) });
      expect([...found.loss.dataSync()].every(Number.isFinite)).toBe(true);
    });
  });
});
