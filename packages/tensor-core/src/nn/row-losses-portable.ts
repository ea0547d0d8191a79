import { greaterEqual } from "@tensorflow/tfjs-core";
import { tensorflowOps } from "../backend/tensorflow-ops.ts";
import { sliceRows } from "../half.ts";
import { constant } from "../operand.ts";
import {
  add,
  cast,
  concat,
  matMul,
  maximum,
  mul,
  ones,
  reshape,
  scalar,
  slice,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tidy,
  zeros,
  zerosLike,
} from "../ops.ts";
import { linear } from "./linear.ts";
import type { RowSums, RowTask } from "./row-losses.ts";
import { portableTerms } from "./row-terms.ts";
import { tensorflowTerms } from "./row-terms-tensorflow.ts";

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
  const { labels, teacher, rowWeights, temperature, ceWeight, klWeight } = task;
  const { V, Vt } = task.sizes;
  const ops = tensorflowOps();
  const terms = ops === undefined ? portableTerms : tensorflowTerms(ops);
  const weights = rowWeights ? reshape(slice(rowWeights, r, n), [n, 1]) : ones([n, 1]);
  let [ce, kl, gradient]: [Tensor, Tensor, Tensor | undefined] = [scalar(0), scalar(0), undefined];
  if (labels) {
    const y = slice(labels, r, n);
    const w = mul(mul(weights, ceWeight), reshape(cast(greaterEqual(y, 0), "float32"), [n, 1])); // 0 for a negative label
    const term = terms.crossEntropy(s, maximum(y, scalar(0, "int32")) as Tensor1D);
    ce = sum(mul(term.rows, w));
    gradient = mul(term.gradient, w);
  }
  if (teacher) {
    const common = Math.min(V, Vt);
    const t =
      "hidden" in teacher
        ? linear(constant(slice(teacher.hidden, [r, 0], [n, -1])), constant(sliceRows(teacher.head, 0, common)))
        : slice(teacher, [r, 0], [n, common]);
    const scaled = (z: Tensor2D): Tensor2D => (temperature === 1 ? z : mul(z, 1 / temperature));
    const w = mul(weights, klWeight * temperature);
    const term = terms.divergence(scaled(slice(s, [0, 0], [n, common])), scaled(t as Tensor2D));
    kl = mul(sum(mul(term.rows, w)), temperature);
    const narrow = mul(term.gradient, w);
    const wide = common < V ? concat([narrow, zeros([n, V - common])], 1) : narrow;
    gradient = gradient === undefined ? wide : add(gradient, wide);
  }
  return { ce, kl, gradient: gradient ?? zeros([n, V]) };
}
