import type { Scalar } from "@kd/tensor-core";
import { type DivergenceOptions, rowDivergence } from "./row-divergence.ts";

/** Mean over rows of KL(q ‖ p), `q` the student (MiniLLM, arXiv 2306.08543, on given tokens). Rows, counts and errors as in {@link forwardKl}. */
export function reverseKl(options: DivergenceOptions): Scalar {
  return rowDivergence("reverseKl", { kind: "reverseKl" }, options);
}
