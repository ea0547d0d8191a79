import { matMul, memory, type Tensor2D, tidy, useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { runsOf } from "../../tensor-core/test/runs.ts";
import { type Matrix, matrices, tensorOfMatrix as of } from "../test/matrices.ts";
import { largest, pickIds } from "./largest-logits.ts";

const matrix = (rows: number, columns: number): fc.Arbitrary<Matrix> =>
  matrices(rows, columns, fc.integer({ min: -99, max: 99 }));
const cases = fc
  .record({ n: fc.integer({ min: 1, max: 5 }), v: fc.integer({ min: 2, max: 7 }), d: fc.integer({ min: 1, max: 3 }) })
  .chain(({ n, v, d }) =>
    fc.record({
      hidden: matrix(n, d),
      head: matrix(v, d),
      teacher: matrix(n, v),
      k: fc.integer({ min: 1, max: v }),
      atOnce: fc.integer({ min: 1, max: 40 }),
    }),
  );
/** Without the sign of zeros, which is not the same on every engine. */
const plain = (row: number[] | undefined): number[] | undefined => row?.map((x) => x + 0);
const top = (row: number[], k: number): number[] => [...row].sort((a, b) => b - a).slice(0, k);

describe.each(syncEngines)("the largest logits on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("are each row's own, of the teacher and then of the student, however many logits exist at once", () => {
    fc.assert(
      fc.property(cases, ({ k, atOnce, ...given }) => {
        const before = memory().numTensors;
        tidy(() => {
          const [hidden, head, teacher] = [of(given.hidden), of(given.head), of(given.teacher)];
          const student = matMul(hidden, head, false, true) as Tensor2D;
          const logits = student.arraySync();
          for (const seen of [student, { hidden, head }]) {
            const { ids, values } = largest(seen, teacher, { k, atOnce });
            expect([ids.shape, ids.dtype]).toEqual([[logits.length, 2 * k], "int32"]);
            const [at, got] = [ids.arraySync(), values.arraySync()] as [number[][], number[][]];
            const picked = pickIds(seen, ids).arraySync() as number[][];
            for (const [r, row] of at.entries()) {
              const [ours, theirs] = [logits[r], given.teacher[r]] as [number[], number[]];
              expect(plain(got[r])).toEqual(plain(row.map((id) => theirs[id] as number)));
              expect(plain(picked[r])).toEqual(plain(row.map((id) => ours[id] as number)));
              expect(plain(got[r]?.slice(0, k))).toEqual(plain(top(theirs, k)));
              expect(plain(picked[r]?.slice(k))).toEqual(plain(top(ours, k)));
              for (const half of [row.slice(0, k), row.slice(k)]) expect(new Set(half).size).toBe(k);
            }
          }
        });
        expect(memory().numTensors).toBe(before);
      }),
      runsOf(11, 60),
    );
  });
});
