import { grads, matMul, memory, type Tensor, type Tensor2D, tidy, useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { memoryEngines } from "../../tensor-core/test/engines.ts";
import { crossEntropy } from "../src/index.ts";
import { logSoftmax, slopes } from "./definitions.ts";
import { mapped, matrices, matrix, type Rows, runs } from "./matrices.ts";
import { near } from "./measure.ts";

const cases = (scale: number) =>
  fc.record({ rows: fc.integer({ min: 1, max: 5 }), v: fc.integer({ min: 1, max: 9 }) }).chain(({ rows, v }) =>
    fc.record({
      student: matrices(rows, v, scale),
      labels: fc
        .array(fc.integer({ min: -1, max: v - 1 }), { minLength: rows, maxLength: rows })
        .map((ids) => Int32Array.from(ids)),
    }),
  );
const definition = (student: Rows, labels: Int32Array): number => {
  const used = [...labels.entries()].filter(([, label]) => label >= 0);
  return (
    used.reduce((sum, [r, label]) => sum - (logSoftmax(student[r] as number[])[label] as number), 0) /
    (used.length || 1)
  );
};
const lossAt = (student: Rows, labels: Int32Array, more: object = {}): number =>
  tidy(() => crossEntropy({ student: matrix(student), labels, ...more }).dataSync()[0] as number);
const gradientAt = (student: Rows, labels: Int32Array, more: object = {}): number[] =>
  tidy(() => [
    ...(
      grads((s: Tensor) => crossEntropy({ student: s as Tensor2D, labels, ...more }))([matrix(student)])[0] as Tensor
    ).dataSync(),
  ]);

// what a label, an id or NaN is can be seen here without waiting for a device
describe.each(memoryEngines)("crossEntropy on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it.each([1, 50, 1e4])("is its definition, with its gradient, in any chunks, up to logits of %s", (scale) => {
    fc.assert(
      fc.property(cases(scale), fc.integer({ min: 1, max: 6 }), ({ student, labels }, chunkSize) => {
        near(lossAt(student, labels, { chunkSize }), definition(student, labels));
        const wanted = slopes((s) => definition(s, labels), student);
        for (const [i, x] of gradientAt(student, labels, { chunkSize }).entries()) near(x, wanted[i] as number, 2e-5);
      }),
      runs,
    );
  });

  it("does not see a row's shift, the order of rows, or rows without a label; micro-batches add up under one count", () => {
    fc.assert(
      fc.property(cases(8), ({ student, labels }) => {
        const want = lossAt(student, labels);
        near(
          lossAt(
            mapped(student, (x, r) => x + r - 2),
            labels,
          ),
          want,
          3e-6,
        );
        near(lossAt(student.toReversed(), labels.toReversed()), want, 2e-6);
        const rows = Int32Array.from([...labels.keys()].filter((r) => (labels[r] as number) >= 0));
        near(
          lossAt(
            student,
            labels.filter((label) => label >= 0),
            { rows },
          ),
          want,
          2e-6,
        );
        const parts = student.map((row, r) => lossAt([row], labels.subarray(r, r + 1), { count: rows.length || 1 }));
        near(
          parts.reduce((a, b) => a + b, 0),
          want,
          2e-6,
        );
      }),
      runs,
    );
  });

  it("of factors is that of their product", () => {
    fc.assert(
      fc.property(
        matrices(4, 3, 2),
        matrices(7, 3, 2),
        (hidden, head) =>
          void tidy(() => {
            const [h, w, labels] = [matrix(hidden), matrix(head), Int32Array.of(6, -100, 0, 3)];
            const dense = crossEntropy({ student: matMul(h, w, false, true) as Tensor2D, labels });
            near(
              crossEntropy({ student: { hidden: h, head: w }, labels, chunkSize: 3 }).dataSync()[0] as number,
              dense.dataSync()[0] as number,
            );
          }),
      ),
      runs,
    );
  });

  it("is 0 with a zero gradient without labels", () => {
    const student = [
      [1, 2, 3],
      [0, 1, 0],
    ];
    for (const count of [{}, { count: 0 }, { count: 3 }]) {
      expect(lossAt(student, Int32Array.of(-100, -1), count)).toBe(0);
      expect(gradientAt(student, Int32Array.of(-100, -1), count)).toEqual([0, 0, 0, 0, 0, 0]);
    }
  });

  it("names what is wrong and frees everything but its result", () => {
    const student = matrix([
      [1, 2, 3],
      [0, 1, 0],
    ]);
    expect(() => crossEntropy({ student, labels: Int32Array.of(0, 3) })).toThrow(
      /^crossEntropy: label 3 of row 1 must be below the vocabulary's 3/,
    );
    expect(() => crossEntropy({ student, labels: Int32Array.of(0) })).toThrow(
      /^crossEntropy: labels must be \[R\] with R=2, got \[1\]/,
    );
    expect(() => crossEntropy({ student, labels: Int32Array.of(0, 1), count: 0 })).toThrow(
      /^crossEntropy: count must be above 0 for 2 rows, got 0/,
    );
    const broken = matrix([
      [1, 2, 3],
      [0, Number.NaN, 0],
    ]);
    expect(() => crossEntropy({ student: broken, labels: Int32Array.of(0, 1) })).toThrow(
      /^crossEntropy: student must hold finite numbers, got NaN in row 1/,
    );
    tidy(() => void crossEntropy({ student, labels: Int32Array.of(1, 0) }));
    broken.dispose();
    const before = memory().numTensors;
    crossEntropy({ student, labels: Int32Array.of(1, 0), rows: Int32Array.of(1, 0) }).dispose();
    expect(memory().numTensors).toBe(before);
  });
});
