import { maximum, mul, rsqrt, type Scalar, square, sub, sum, type Tensor, tidy } from "@kd/tensor-core";
import { type HiddenOptions, hiddenPair } from "./hidden-pair.ts";
import { rowMean } from "./row-mean.ts";

/** A squared length at least: of a row of zeros, and its power −1.5 in the gradient, within float32. */
const TINY = 1e-20;

/**
 * Mean over rows of 1 − cosine of two models' hidden states, the student's through a projection where widths differ: DistilBERT's cosine
 * embedding loss (arXiv 1910.01108). A row of zeros has no direction: 1. 0 without rows.
 *
 * @throws KdError `KD_SHAPE` naming the argument; `KD_CONFIG` for a count that cannot be.
 */
export function hiddenCosine(options: HiddenOptions): Scalar {
  return tidy(() => {
    const { ours, theirs, share } = hiddenPair("hiddenCosine", options);
    const inverse = (x: Tensor): Tensor => rsqrt(maximum(sum(square(x), 1), TINY));
    const cosines = mul(mul(sum(mul(ours, theirs), 1), inverse(ours)), inverse(theirs));
    return rowMean(sub(1, cosines), share);
  });
}
