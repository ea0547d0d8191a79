import { grads, type Tensor, type Tensor2D, tidy, useBackend } from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { bild, type RdistForm, rdist, selfCorrelations } from "../src/index.ts";
import { topIds } from "../src/top-ids.ts";
import { checkNothing, close, numberOf } from "./loss-checks.ts";
import { tensorOfMatrix } from "./matrices.ts";

// three tokens of different lengths, and vocabularies of different size
const student = [
  [1, 2, 3, 0.5],
  [0, 1, 0, 2],
  [2, 0, 1, -1],
];
const teacher = [
  [3, 1, 0],
  [2, 2, 1],
  [1, 0, 5],
];

describe.each(syncEngines)("what is not said, on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("is the paper's in rdist: raw rows of the common vocabulary, each span by itself", () => {
    const all = () => ({ student: tensorOfMatrix(student), teacher: tensorOfMatrix(teacher), lengths: [2, 1] });
    const at = (form: RdistForm = {}) => numberOf(() => rdist({ ...all(), ...form }));
    const defaults: Required<RdistForm> = {
      over: "common-vocabulary",
      centre: "none",
      unitRows: false,
      flavour: "per-span",
    };
    close(at(), at(defaults), 1e-7);
    const others: RdistForm[] = [
      { over: "own-vocabulary" },
      { centre: "tokens" },
      { centre: "both" },
      { unitRows: true },
      { flavour: "whole-batch" },
    ];
    for (const form of others) {
      expect(Math.abs(at(form) - at()), JSON.stringify(form)).toBeGreaterThan(1e-4);
      close(at(form), at({ ...defaults, ...form }), 1e-7);
    }
  });

  it("is the matrix of raw rows in selfCorrelations", () => {
    const got = tidy(() => [...selfCorrelations({ from: tensorOfMatrix(teacher), lengths: [2, 1] }).dataSync()]);
    expect(got).toEqual([10, 8, 8, 9, 26]);
  });

  it("bild of factors is 0 without rows, too", () => {
    const run = (h: Tensor, w: Tensor) =>
      bild({
        student: { hidden: h as Tensor2D, head: w as Tensor2D },
        teacher: tensorOfMatrix(teacher),
        rows: new Int32Array(0),
        k: 2,
      });
    checkNothing(
      (h) => run(h as Tensor, tensorOfMatrix(teacher)),
      [tensorOfMatrix(student.map((row) => row.slice(0, 3)))],
    );
    tidy(() => {
      const [gradient] = grads((h: Tensor) => run(h, tensorOfMatrix(teacher)))([tensorOfMatrix(teacher)]);
      expect(gradient?.shape).toEqual([3, 3]);
    });
  });

  it("the largest numbers are found wherever a block ends, and of no rows none", () => {
    for (const ids of [5, 9, 11, 23, 50, 101, 299])
      for (const k of [1, 2, 3, 5]) {
        const rising = [Array.from({ length: ids }, (_, i) => i), Array.from({ length: ids }, (_, i) => -i)];
        tidy(() => {
          const [last, first] = topIds(tensorOfMatrix(rising), k).arraySync() as [number[], number[]];
          expect(last).toEqual(Array.from({ length: k }, (_, i) => ids - 1 - i));
          expect(first).toEqual(Array.from({ length: k }, (_, i) => i));
        });
      }
    tidy(() => void expect(topIds(tensorOfMatrix([], 50), 2).shape).toEqual([0, 2]));
  });
});
