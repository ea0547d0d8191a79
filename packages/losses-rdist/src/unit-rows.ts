import { concat, eye, maximum, mul, reshape, rsqrt, sum, type Tensor, type Tensor1D } from "@kd/tensor-core";
import { matricesOf, spanRuns } from "./span-runs.ts";

/** A squared length at least: of a row of zeros, and its power −1.5 in the gradient, within float32. */
const TINY = 1e-20;

/** Gram matrices as of rows of length 1: each entry is the cosine of its two rows. */
export function unitRows(grams: Tensor1D, lengths: readonly number[]): Tensor1D {
  const parts = spanRuns(lengths).map((run): Tensor => {
    const g = matricesOf(grams, run);
    const inverse = rsqrt(maximum(sum(mul(g, eye(run.n)), 2), TINY)); // [spans, n]
    const { spans, n } = run;
    return reshape(mul(mul(g, reshape(inverse, [spans, n, 1])), reshape(inverse, [spans, 1, n])), [spans * n * n]);
  });
  return (parts.length > 0 ? concat(parts) : grams) as Tensor1D;
}
