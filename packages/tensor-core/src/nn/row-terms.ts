import { logSoftmax, mul, neg, oneHot, softmax, sub, sum, type Tensor, type Tensor1D, type Tensor2D } from "../ops.ts";

/** A loss of each row `[n, 1]` and its gradient with respect to the logits `[n, V]`. */
interface RowTerm {
  readonly rows: Tensor;
  readonly gradient: Tensor;
}

/** The terms of rowLosses, in stock operations or in an engine's own. */
export interface RowTerms {
  /** −log softmax(logits)[label]; no label is negative. */
  crossEntropy(logits: Tensor2D, labels: Tensor1D): RowTerm;
  /** KL(softmax(teacher) ‖ softmax(logits)). */
  divergence(logits: Tensor2D, teacher: Tensor2D): RowTerm;
}

export const portableTerms: RowTerms = {
  crossEntropy(logits, labels) {
    const hot = oneHot(labels, logits.shape[1]);
    return { rows: neg(sum(mul(logSoftmax(logits), hot), 1, true)), gradient: sub(softmax(logits), hot) };
  },
  divergence(logits, teacher) {
    const p = softmax(teacher);
    return {
      rows: sum(mul(p, sub(logSoftmax(teacher), logSoftmax(logits))), 1, true),
      gradient: sub(softmax(logits), p),
    };
  },
};
