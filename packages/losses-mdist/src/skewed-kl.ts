import type { Scalar } from "@kd/tensor-core";
import { type DivergenceOptions, rowDivergence } from "./row-divergence.ts";

/** Options of {@link skewedForwardKl} and {@link skewedReverseKl}. */
export interface SkewedKlOptions extends DivergenceOptions {
  /** How much of its first argument the second one is mixed with; at least 0, below 1. @defaultValue 0.1, DistiLLM's */
  readonly alpha?: number;
}

/**
 * Mean over rows of KL(p ‖ α·p + (1 − α)·q) (DistiLLM, arXiv 2402.03898): at most −log α, so that no token that the student has lost dominates.
 * Rows, counts and errors as in {@link forwardKl}.
 */
export function skewedForwardKl({ alpha = 0.1, ...options }: SkewedKlOptions): Scalar {
  return rowDivergence("skewedForwardKl", { kind: "skewedForwardKl", alpha }, options);
}

/** Mean over rows of KL(q ‖ α·q + (1 − α)·p), at most −log α. Rows, counts and errors as in {@link forwardKl}. */
export function skewedReverseKl({ alpha = 0.1, ...options }: SkewedKlOptions): Scalar {
  return rowDivergence("skewedReverseKl", { kind: "skewedReverseKl", alpha }, options);
}
