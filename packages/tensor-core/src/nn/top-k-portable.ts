import {
  add,
  cast,
  exp,
  gather,
  log,
  maximum,
  mul,
  onesLike,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  where,
} from "../ops.ts";
import { rowLogSoftmax, rowLogSumExp } from "./row-sums.ts";
import { scatterRows } from "./top-k-rows.ts";

const SMALLEST = 1.2e-38; // of normal float32 numbers: TensorFlow takes smaller ones for 0, whose logarithm is none

interface TopK {
  readonly ids: Tensor2D;
  readonly logProbs: Tensor2D;
  /** `[n, 1]` */
  readonly tailMass: Tensor;
}

/** KL of rows over k ids and the rest, `[n, 1]`, and its gradient with respect to the student's scaled logits; s is `[n, V]` logits over T. */
export function portableTopK(s: Tensor2D, { ids, logProbs, tailMass }: TopK): { value: Tensor; gradient: Tensor } {
  const [V, k] = [s.shape[1], ids.shape[1]];
  const logQ = rowLogSoftmax(s);
  const p = exp(logProbs);
  const listed = sum(mul(p, sub(logProbs, gather(logQ, ids, 1, 1))), 1, true);
  const [q, targets, mass] = [exp(logQ), scatterRows(ids, p, V), sum(p, 1, true)];
  if (k === V) return { value: listed, gradient: sub(mul(q, mass), targets) };
  // the rest by its own maximum: it may be far below the k
  const others = where(cast(scatterRows(ids, onesLike(p), V), "bool"), -3e38, logQ) as Tensor;
  const rest = rowLogSumExp(others);
  const tail = mul(tailMass, sub(log(maximum(tailMass, SMALLEST)), rest));
  const wanted = add(targets, mul(exp(sub(others, rest)), tailMass));
  return { value: add(listed, tail), gradient: sub(mul(q, add(mass, tailMass)), wanted) };
}
