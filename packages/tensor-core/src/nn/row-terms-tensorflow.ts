import { KdError } from "@kd/contract";
import type { TensorflowOps } from "../backend/tensorflow-ops.ts";
import { reshape, type Tensor } from "../ops.ts";
import { divergenceBy, type RowTerms } from "./row-terms.ts";

/** The terms of rowLosses by TensorFlow's cross-entropy, which gives the loss with its gradient, and its log-softmax in one operation. */
export function tensorflowTerms(ops: TensorflowOps): RowTerms {
  return {
    crossEntropy(logits, labels) {
      const name = "SparseSoftmaxCrossEntropyWithLogits";
      try {
        const types = { T: "float32", Tlabels: "int32" };
        const [rows, gradient] = ops.run(name, [logits, labels], 2, types) as [Tensor, Tensor];
        return { rows: reshape(rows, [-1, 1]), gradient };
      } catch (error) {
        const outside = /label value of (\d+)/.exec((error as Error).message); // on a CPU; a GPU gives NaN
        if (outside === null) throw error;
        const message = `rowLosses: label ${outside[1]} must be below the vocabulary's ${logits.shape[1]}`;
        throw new KdError("KD_DATA", message, { cause: error });
      }
    },
    divergence: (logits, teacher) => divergenceBy((x) => ops.run("LogSoftmax", [x], 1)[0] as Tensor, logits, teacher),
  };
}
