import { grads, type Tensor, type Tensor2D, tidy, useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { mdist } from "../src/index.ts";
import { definitions, lossOf, slopes } from "./definitions.ts";
import { matrices, matrix, pairs, runs } from "./matrices.ts";
import { near } from "./measure.ts";

describe.each(syncEngines)("the gradient of mdist on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  // what comes from above is not 1 here: α and β
  it("is α times the response's and β times the visual term's", () => {
    const weight = fc.constantFrom(0, 0.5, 3);
    fc.assert(
      fc.property(pairs(4), weight, weight, (pair, responseWeight, visualWeight) => {
        const R = pair.student.length;
        const [responseRows, visualRows] = [Int32Array.of(0), Int32Array.from({ length: R }, (_, r) => r)];
        const got = tidy(() =>
          grads(
            (s: Tensor) =>
              mdist({
                student: s as Tensor2D,
                teacher: matrix(pair.teacher),
                ...{ responseRows, visualRows, responseWeight, visualWeight },
              }).loss,
          )([matrix(pair.student)])[0]?.dataSync(),
        );
        const of = (student: typeof pair.student) =>
          responseWeight * lossOf(definitions.forwardKl, { ...pair, student }, { rows: responseRows }) +
          visualWeight * lossOf(definitions.forwardKl, { ...pair, student }, { rows: visualRows });
        for (const [i, slope] of slopes(of, pair.student).entries())
          if (slope !== undefined) near(got?.[i] as number, slope, 5e-5);
      }),
      runs,
    );
  });

  it("reaches hidden states and head", () => {
    fc.assert(
      fc.property(matrices(3, 2, 1), matrices(4, 2, 1), matrices(3, 4, 2), (hidden, head, teacher) => {
        const all = Int32Array.of(0, 1, 2);
        const run = (by: number) =>
          tidy(() =>
            grads(
              (h: Tensor, w: Tensor) =>
                mdist({
                  student: { hidden: h as Tensor2D, head: w as Tensor2D },
                  teacher: matrix(teacher),
                  ...{ responseRows: all, visualRows: new Int32Array(0), responseWeight: by },
                }).loss,
            )([matrix(hidden), matrix(head)]).map((g) => [...g.dataSync()]),
          );
        const [once, thrice] = [run(1).flat(), run(3).flat()];
        for (const [i, x] of thrice.entries()) near(x, 3 * (once[i] as number));
        expect(once).toHaveLength(3 * 2 + 4 * 2);
      }),
      runs,
    );
  });
});
