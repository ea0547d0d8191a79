import type { Tensor, Tensor1D, Tensor2D } from "../ops.ts";

/** A loss of each row `[n, 1]` and its gradient with respect to the logits `[n, V]`. */
export interface RowTerm {
  readonly rows: Tensor;
  readonly gradient: Tensor;
}

/** Terms of rowLosses that an engine has operations of its own for. */
export interface RowTerms {
  /** −log softmax(logits)[label]; no label is negative. */
  crossEntropy(logits: Tensor2D, labels: Tensor1D): RowTerm;
  /** KL(softmax(teacher) ‖ softmax(logits)). */
  divergence(logits: Tensor2D, teacher: Tensor2D): RowTerm;
}
