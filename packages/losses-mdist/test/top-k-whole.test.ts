import { type Tensor2D, tensor, tidy, useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { topKForwardKl } from "../src/index.ts";
import { definitions, logSoftmax, lossOf } from "./definitions.ts";
import { matrix, pairs, runs } from "./matrices.ts";
import { near } from "./measure.ts";

describe.each(syncEngines)("every id listed, on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  // what rounding leaves of 1 is nobody's: there is no rest to give it to
  it("leaves nothing for the rest, whatever its mass is said to be", () => {
    fc.assert(
      fc.property(pairs(4, { sameSize: true }), fc.constantFrom(undefined, 0, 1e-4), ({ student, teacher }, mass) => {
        const [n, V] = [student.length, student[0]?.length ?? 0];
        const got = tidy(() => {
          const ids = tensor(
            student.flatMap(() => [...Array(V).keys()]),
            [n, V],
            "int32",
          ) as Tensor2D;
          const logProbs = matrix(teacher.map((row) => logSoftmax(row)));
          const tailMass = mass === undefined ? {} : { tailMass: tensor(Array(n).fill(mass)) as never };
          const loss = topKForwardKl({ student: matrix(student), teacher: { ids, logProbs, ...tailMass } });
          return loss.dataSync()[0] as number;
        });
        near(got, lossOf(definitions.forwardKl, { student, teacher }));
      }),
      runs,
    );
  });
});
