import { KdError } from "@kd/contract";
import type { Handle, Input, Kernel, TensorflowOps } from "../backend/tensorflow-ops.ts";
import type { Tensor } from "../ops.ts";
import type { RowTerm, RowTerms } from "./row-terms.ts";
import { tensorflowMath } from "./tensorflow-math.ts";

const GATHER = { Tparams: "float32", Tindices: "int32", Taxis: "int32", batch_dims: 1 };
const ONE_HOT = { T: "float32", TI: "int32", axis: -1 };

/**
 * The terms of rowLosses by TensorFlow's operations, each with one exponential an element: its own cross-entropy and log-softmax take four
 * times as long, or the same again.
 */
export function tensorflowTerms(ops: TensorflowOps): RowTerms {
  const { mul, sub, reshape, reduce } = tensorflowMath(ops);
  const softmax = (x: Input): Handle => ops.op("Softmax", [x]);
  // log Σ exp x, by way of the greatest probability, which is never too small for a logarithm
  const logSum = (x: Input, p: Handle): Handle => sub(reduce("Max", x), ops.op("Log", [reduce("Max", p)]));
  return {
    crossEntropy(logits, labels) {
      const [rows, width] = logits.shape;
      try {
        const [loss, gradient] = ops.compute(() => {
          const p = softmax(logits);
          const chosen = ops.op("GatherV2", [logits, reshape(labels, [rows, 1], "int32"), { int: 1 }], GATHER);
          return [sub(logSum(logits, p), chosen), sub(p, ops.op("OneHot", [labels, { int: width }, 1, 0], ONE_HOT))];
        }) as [Tensor, Tensor];
        return { rows: loss, gradient };
      } catch (error) {
        throw outside(error, width);
      }
    },
    divergence(logits, teacher) {
      const [loss, gradient] = ops.compute(() => {
        const [p, q] = [softmax(teacher), softmax(logits)];
        const [logP, logQ] = [sub(teacher, logSum(teacher, p)), sub(logits, logSum(logits, q))];
        return [reduce("Sum", mul(p, sub(logP, logQ))), sub(q, p)];
      }) as [Tensor, Tensor];
      return { rows: loss, gradient };
    },
  };
}

/** The same by our own kernel inside TensorFlow, both of them times the row's weight; a negative label counts as a weight of 0. */
export function kernelCrossEntropy(
  { compute }: TensorflowOps,
  kernel: Kernel,
  { logits, labels, weights }: Readonly<Record<"logits" | "labels" | "weights", Tensor>>,
): RowTerm {
  try {
    const [rows, gradient] = compute(() => kernel("KdCrossEntropy", [logits, labels, weights], 2)) as [Tensor, Tensor];
    return { rows, gradient };
  } catch (error) {
    throw outside(error, logits.shape[1] as number);
  }
}

/** What TensorFlow says, on a CPU, of a label that cannot be; a GPU does not look. */
function outside(error: unknown, width: number): unknown {
  const label = /(?:indices|labels)\[.*\] = (\d+) is not in/.exec((error as Error).message)?.[1];
  if (label === undefined) return error;
  return new KdError("KD_DATA", `rowLosses: label ${label} must be below the vocabulary's ${width}`, { cause: error });
}
