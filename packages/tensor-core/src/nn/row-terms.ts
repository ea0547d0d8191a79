import { mul, softmax, sub, sum, type Tensor, type Tensor1D, type Tensor2D } from "../ops.ts";

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

/** The divergence by an engine's log-softmax over the last axis. */
export function divergenceBy(logSoftmax: (x: Tensor2D) => Tensor, logits: Tensor2D, teacher: Tensor2D): RowTerm {
  const p = softmax(teacher);
  return {
    rows: sum(mul(p, sub(logSoftmax(teacher), logSoftmax(logits))), 1, true),
    gradient: sub(softmax(logits), p),
  };
}
