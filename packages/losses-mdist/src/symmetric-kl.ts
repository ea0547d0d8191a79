import type { Scalar } from "@kd/tensor-core";
import { type DivergenceOptions, rowDivergence } from "./row-divergence.ts";

/** Mean over rows of ½·KL(p ‖ q) + ½·KL(q ‖ p), half of Jeffreys' divergence. Rows, counts and errors as in {@link forwardKl}. */
export function symmetricKl(options: DivergenceOptions): Scalar {
  return rowDivergence("symmetricKl", { kind: "symmetricKl" }, options);
}
