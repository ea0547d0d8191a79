import type { Scalar } from "@kd/tensor-core";
import { type DivergenceOptions, rowDivergence } from "./row-divergence.ts";

/**
 * Mean over rows of ½·Σ|p − q|, from 0 to 1 (f-DISTILL, arXiv 2307.15190). It has a kink where p = q: there its gradient counts as 0. Rows,
 * counts and errors as in {@link forwardKl}.
 */
export function totalVariation(options: DivergenceOptions): Scalar {
  return rowDivergence("totalVariation", { kind: "totalVariation" }, options);
}
