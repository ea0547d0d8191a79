import { type Tensor2D, tensor } from "@kd/tensor-core";
import fc from "fast-check";

export type Matrix = number[][];
export type Rows = readonly (readonly number[])[];
export const tensorOfMatrix = (rows: Rows, width: number = rows[0]?.length ?? 0): Tensor2D =>
  tensor(rows.flat(), [rows.length, width], "float32") as Tensor2D;

export const matrices = (rows: number, columns: number, entry: fc.Arbitrary<number>): fc.Arbitrary<Matrix> =>
  fc.array(fc.array(entry, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows });

export const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
/** H·Wᵀ */
export const product = (hidden: Rows, head: Rows): Matrix => hidden.map((h) => head.map((w) => dot(h, w)));
export const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
