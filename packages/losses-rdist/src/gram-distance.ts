import { concat, div, maximum, mul, sqrt, square, step, sub, sum, type Tensor, type Tensor1D } from "@kd/tensor-core";
import { matricesOf, spanRuns } from "./span-runs.ts";

/** A matrix of less than this squared length has no direction. */
const TINY = 1e-30;

/** 1 − cosine of two sides' matrices: one number a span, or one of all spans' matrices as one vector. There is at least one span. */
export function gramDistances(
  ours: Tensor1D,
  theirs: Tensor1D,
  { lengths, together }: { readonly lengths: readonly number[]; readonly together: boolean },
): Tensor {
  const runs = spanRuns(lengths).map((run) => {
    const [a, b] = [matricesOf(ours, run), matricesOf(theirs, run)];
    return [total(mul(a, b)), total(square(a)), total(square(b))] as const;
  });
  const products = ([0, 1, 2] as const).map((i) => {
    const spans = concat(runs.map((run) => run[i])); // [spans]
    return together ? sum(spans, 0, true) : spans;
  });
  const [ab, aa, bb] = products as [Tensor, Tensor, Tensor];
  // Each root alone, as the product of the squares leaves float32's range.
  const cosines = div(div(ab, sqrt(maximum(aa, TINY))), sqrt(maximum(bb, TINY)));
  const oneHasDirection = step(sub(maximum(aa, bb), TINY)); // two matrices of zeros are equal
  return mul(sub(1, cosines), oneHasDirection);
}

/** Rows first: tfjs adds a long vector up one after another in float32. */
const total = (matrices: Tensor): Tensor => sum(sum(matrices, 2), 1);
