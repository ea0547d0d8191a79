import { equal, greaterEqual, range } from "@tensorflow/tfjs-core";
import { tensorflowOps } from "../backend/tensorflow-ops.ts";
import type { LogitRows } from "../model.ts";
import {
  add,
  cast,
  concat,
  exp,
  matMul,
  max,
  maximum,
  mul,
  ones,
  pad,
  reshape,
  scalar,
  slice,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tidy,
  where,
  zeros,
  zerosLike,
} from "../ops.ts";
import { portableDivergence } from "./divergence-portable.ts";
import { rowLogSoftmax } from "./row-sums.ts";
import type { RowSums, RowTask } from "./row-task.ts";
import { kernelCrossEntropy, tensorflowTerms } from "./row-terms-tensorflow.ts";
import { portableTopK } from "./top-k-portable.ts";
import { logitsOf } from "./top-k-rows.ts";

/** The body of rowLosses in stock ops. */
export function portableRowLosses(task: RowTask): RowSums {
  const { student, wants, sizes, chunkSize } = task;
  const { logits, hidden, head } = student as Partial<Record<string, Tensor2D>>;
  let [ce, kl]: Tensor[] = [scalar(0), scalar(0)];
  const rows: Tensor[] = []; // gradients of logits or hidden, a chunk each
  let dHead: Tensor | undefined;
  const replace = (old: Tensor | undefined, next: Tensor): Tensor => {
    const total = old === undefined ? next : add(old, next);
    if (old !== undefined) for (const t of [old, next]) t.dispose();
    return total;
  };
  for (let r = 0; r < sizes.R; r += chunkSize) {
    const n = Math.min(chunkSize, sizes.R - r);
    const made = tidy(() => {
      const h = hidden && slice(hidden, [r, 0], [n, -1]);
      const s = logits ? slice(logits, [r, 0], [n, -1]) : matMul(h as Tensor2D, head as Tensor2D, false, true);
      const { ce, kl, gradient } = chunk(task, s as Tensor2D, r, n);
      const out: Record<string, Tensor> = { ce, kl };
      if (wants("logits")) out.rows = gradient;
      if (wants("hidden")) out.rows = matMul(gradient as Tensor2D, head as Tensor2D);
      if (wants("head")) out.head = matMul(gradient as Tensor2D, h as Tensor2D, true, false);
      return out;
    });
    ce = replace(ce, made.ce as Tensor);
    kl = replace(kl, made.kl as Tensor);
    if (made.rows) rows.push(made.rows);
    if (made.head) dHead = replace(dHead, made.head);
  }
  const gradients: RowSums["gradients"] = {};
  for (const name of ["logits", "hidden"] as const)
    if (wants(name)) gradients[name] = rows.length > 0 ? concat(rows, 0) : zerosLike(student[name] as Tensor);
  if (wants("head")) gradients.head = dHead ?? zerosLike(head as Tensor);
  return { ce: ce as Tensor, kl: kl as Tensor, gradients };
}

/** `n` rows from row `r`: both sums, and their gradient with respect to `s [n, V]`. */
function chunk(task: RowTask, s: Tensor2D, r: number, n: number) {
  const { labels, teacher, topK, rowWeights, temperature, ceWeight, klWeight } = task;
  const { V, common } = task.sizes;
  const weights = rowWeights ? reshape(slice(rowWeights, r, n), [n, 1]) : ones([n, 1]);
  // what a row of weight 0 holds may be anything: 0 · NaN is NaN
  const weighted = (x: Tensor, by: number | Tensor): Tensor => {
    const product = mul(x, mul(weights, by));
    return rowWeights ? where(equal(weights, 0), 0, product) : product;
  };
  const ops = tensorflowOps();
  const own = ops === undefined ? undefined : tensorflowTerms(ops);
  let [ce, kl]: [Tensor, Tensor] = [scalar(0), scalar(0)];
  let gradient: Tensor | undefined;
  if (labels && ops?.kernel) {
    const given = { logits: s, labels: slice(labels, r, n), weights: mul(weights, ceWeight) };
    const term = kernelCrossEntropy(ops, ops.kernel, given);
    [ce, gradient] = [sum(term.rows), term.gradient];
  } else if (labels && own) {
    const label = slice(labels, r, n);
    const present = reshape(cast(greaterEqual(label, 0), "float32"), [n, 1]); // 0 for a negative label
    const term = own.crossEntropy(s, maximum(label, scalar(0, "int32")) as Tensor1D);
    ce = sum(weighted(mul(term.rows, present), ceWeight));
    gradient = weighted(term.gradient, mul(present, ceWeight));
  } else if (labels) {
    const label = reshape(slice(labels, r, n), [n, 1]);
    const hot = cast(equal(label, range(0, V, 1, "int32")), "float32"); // a row of zeros for a negative label
    const logQ = rowLogSoftmax(s);
    ce = sum(weighted(sum(mul(logQ, hot), 1, true), -ceWeight));
    gradient = weighted(sub(mul(exp(logQ), max(hot, 1, true)), hot), ceWeight);
  }
  if (teacher || topK) {
    const scaled = <T extends Tensor>(x: T): T => (temperature === 1 ? x : mul(x, 1 / temperature));
    const q = scaled(slice(s, [0, 0], [n, common]));
    const found = topK
      ? portableTopK(q, {
          ids: slice(topK.ids, [r, 0], [n, -1]),
          logProbs: slice(topK.logProbs, [r, 0], [n, -1]),
          tailMass: reshape(slice(topK.tailMass, r, n), [n, 1]),
        })
      : divergenceOf(task, q, scaled(logitsOf(teacher as LogitRows, r, n, common)));
    kl = sum(weighted(found.value, klWeight * temperature ** 2));
    const rest = [
      [0, 0],
      [0, V - common],
    ] as [number, number][];
    const own = pad(weighted(found.gradient, klWeight * temperature), rest);
    gradient = gradient === undefined ? own : add(gradient, own);
  }
  return { ce, kl, gradient: gradient ?? zeros([n, V]) };
}

/** On tensorflow the usual one, the forward KL, by its own operations; wide rows of it are for TensorFlow's sums, which are exact enough. */
function divergenceOf({ form }: RowTask, s: Tensor2D, t: Tensor2D): { value: Tensor; gradient: Tensor } {
  const ops = form.loop === "forward" ? tensorflowOps() : undefined;
  if (ops === undefined) return portableDivergence(form, s, t);
  const { rows, gradient } = tensorflowTerms(ops).divergence(s, t);
  return { value: rows, gradient };
}
