import type { Scalar } from "@kd/tensor-core";
import { type DivergenceOptions, rowDivergence } from "./row-divergence.ts";

/**
 * Mean over rows of KL(p ‖ q), `p` the teacher's and `q` the student's distribution over their common vocabulary: the first min(V, V')
 * ids, cut before the softmax. 0 without rows.
 *
 * @throws KdError `KD_SHAPE` naming the argument; `KD_CONFIG` for a temperature, count, weight, vocabulary or chunk size that cannot be;
 * `KD_DIVERGED` for logits that are not finite, where that can be seen without waiting for a device (cpu, wasm).
 */
export function forwardKl(options: DivergenceOptions): Scalar {
  return rowDivergence("forwardKl", { kind: "forwardKl" }, options);
}
