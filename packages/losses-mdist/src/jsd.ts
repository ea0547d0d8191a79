import type { Scalar } from "@kd/tensor-core";
import { type DivergenceOptions, rowDivergence } from "./row-divergence.ts";

/** Options of {@link jsd}. */
export interface JsdOptions extends DivergenceOptions {
  /** The teacher's share of the mixture, between 0 and 1. @defaultValue 0.5, the Jensen–Shannon divergence */
  readonly beta?: number;
}

/**
 * Mean over rows of the generalised Jensen–Shannon divergence, β·KL(p ‖ m) + (1 − β)·KL(q ‖ m) with m = β·p + (1 − β)·q (GKD, arXiv
 * 2306.13649). At most −β·log β − (1 − β)·log(1 − β); divided by β it goes to KL(p ‖ q) as β goes to 0. Rows, counts and errors as in
 * {@link forwardKl}; `KD_CONFIG` for a β of 0 or 1, where it is 0.
 */
export function jsd({ beta = 0.5, ...options }: JsdOptions): Scalar {
  return rowDivergence("jsd", { kind: "jsd", beta }, options);
}
