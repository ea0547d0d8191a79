import type { Scalar } from "@kd/tensor-core";
import { type DivergenceOptions, rowDivergence } from "./row-divergence.ts";

/**
 * Mean over rows of −Σ p·log q: {@link forwardKl} plus the teacher's entropy, with the same gradient. What some code bases call KL; its least
 * value is that entropy, not 0. Rows, counts and errors as in {@link forwardKl}.
 */
export function softCrossEntropy(options: DivergenceOptions): Scalar {
  return rowDivergence("softCrossEntropy", { kind: "softCrossEntropy" }, options);
}
