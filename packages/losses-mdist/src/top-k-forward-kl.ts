import type { Scalar, TopKRows } from "@kd/tensor-core";
import { type RowOptions, rowDivergence } from "./row-divergence.ts";

/** Options of {@link topKForwardKl}. */
export interface TopKForwardKlOptions extends RowOptions {
  /** One row for each student row read, in their order, as {@link topKRows} makes them at the same temperature. */
  readonly teacher: TopKRows;
}

/**
 * Mean over rows of the forward KL over k + 1 outcomes: the teacher's k most likely ids, and all others as one, the rest, of mass P:
 * `Σ_k p·log(p/q) + P·log(P/Q)`. It is the whole KL when k = V, and otherwise below it by P·KL(p given rest ‖ q given rest). With d the largest
 * minus the smallest of (teacher logit − student logit) / T over the rest, it is too small by at most P·min(d, d²/8). 0 without rows.
 *
 * @throws KdError as {@link forwardKl}; `KD_DATA` for ids outside the vocabulary or twice in a row, or probabilities that are none, where that
 * can be seen without waiting for a device (cpu, wasm).
 */
export function topKForwardKl(options: TopKForwardKlOptions): Scalar {
  return rowDivergence("topKForwardKl", { kind: "forwardKl" }, options);
}
