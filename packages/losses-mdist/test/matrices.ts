import { type Tensor2D, tensor } from "@kd/tensor-core";
import fc from "fast-check";
import { runsOf } from "../../tensor-core/test/runs.ts";

export type Rows = readonly (readonly number[])[];

export interface Pair {
  readonly student: Rows;
  readonly teacher: Rows;
}

/** For most properties. */
export const runs = { ...runsOf(20261126, 25), endOnFailure: true };
/** For one that needs more of them, or fewer. */
export const times = (numRuns: number): typeof runs => ({ ...runs, ...runsOf(20261126, numRuns) });

const float32 = (scale: number): fc.Arbitrary<number> =>
  fc.double({ min: -scale, max: scale, noNaN: true }).map(Math.fround);

export const matrices = (rows: number, columns: number, scale: number): fc.Arbitrary<number[][]> =>
  fc.array(fc.array(float32(scale), { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows });

/** Rows of float32 logits of both sides, of vocabularies of different size unless `sameSize`. */
export const pairs = (scale: number, { sameSize = false, least = 1 } = {}): fc.Arbitrary<Pair> =>
  fc
    .record({
      rows: fc.integer({ min: 1, max: 5 }),
      v: fc.integer({ min: least, max: 9 }),
      more: fc.integer({ min: -2, max: 3 }),
    })
    .chain(({ rows, v, more }) =>
      fc.record({
        student: matrices(rows, v, scale),
        teacher: matrices(rows, sameSize ? v : Math.max(1, v + more), scale),
      }),
    );

export const matrix = (rows: Rows): Tensor2D =>
  tensor(rows.flat(), [rows.length, rows[0]?.length ?? 0], "float32") as Tensor2D;

export const mapped = (rows: Rows, of: (x: number, r: number, j: number) => number): number[][] =>
  rows.map((row, r) => row.map((x, j) => of(x, r, j)));
