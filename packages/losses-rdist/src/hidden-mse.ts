import { mean, type Scalar, square, sub, tidy } from "@kd/tensor-core";
import { type HiddenOptions, hiddenPair } from "./hidden-pair.ts";
import { rowMean } from "./row-mean.ts";

/**
 * Mean over rows of the mean squared difference of two models' hidden states, the student's through a projection where widths differ: the hint
 * of FitNets (arXiv 1412.6550) with a linear regressor, and of TinyBERT (arXiv 1909.10351). 0 without rows.
 *
 * @throws KdError `KD_SHAPE` naming the argument; `KD_CONFIG` for a count that cannot be.
 */
export function hiddenMse(options: HiddenOptions): Scalar {
  return tidy(() => {
    const { ours, theirs, share } = hiddenPair("hiddenMse", options);
    return rowMean(mean(square(sub(ours, theirs)), 1), share);
  });
}
