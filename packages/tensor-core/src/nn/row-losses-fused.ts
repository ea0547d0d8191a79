import { halfOf, SLICE, widenInto } from "../half.ts";
import { type FusedKernels, fusedKernels } from "../kernels/fused-kernels.ts";
import { scalar, type Tensor, zerosLike } from "../ops.ts";
import { LOOPS } from "./divergence.ts";
import type { RowSums, RowTask } from "./row-task.ts";

/** The body of rowLosses on the wasm heap: logits live in scratch memory, where the kernel turns them into their own gradient. */
export function fusedRowLosses(task: RowTask): RowSums {
  const k = fusedKernels() as FusedKernels;
  const { student, wants, labels, teacher, topK, rowWeights, sizes, temperature, ceWeight, klWeight, form } = task;
  const { R, V, common } = sizes;
  const factors = teacher && "hidden" in teacher ? teacher : undefined;
  const Vt = factors ? common : sizes.Vt; // of factors, only what the divergence reads is multiplied
  const { logits, hidden, head } = student;
  const gradients: RowSums["gradients"] = {};
  for (const name of ["logits", "hidden", "head"] as const)
    if (wants(name))
      gradients[name] = R === 0 ? zerosLike(student[name] as Tensor) : k.output((student[name] as Tensor).shape);
  if (R === 0) return { ce: scalar(0), kl: scalar(0), gradients };

  const chunk = Math.min(task.chunkSize, R);
  const work = 8 * chunk * V;
  const chunks = k.chunks(chunk, work);
  const scratch = topK ? padded(common) + padded(topK.ids.shape[1]) : teacher ? 3 * padded(common) : 0;
  const stride = 16 + 4 * scratch; // both terms and rows for each thread
  const bytes = chunks * stride + 4 * chunk * (V + (factors ? Vt : 0));
  const [ce, kl] = k.withScratch(bytes, (terms) => {
    const scratchLogits = terms + chunks * stride;
    const scratchTeacher = scratchLogits + 4 * chunk * V;
    for (let i = 0; i < chunks; i++) new Float64Array(k.buffer(), terms + i * stride, 2).fill(0);
    for (let r = 0; r < R; r += chunk) {
      const n = Math.min(chunk, R - r);
      let s = scratchLogits;
      if (logits) {
        if (gradients.logits) s = k.address(gradients.logits) + 4 * r * V;
        k.run("copy", [k.address(logits) + 4 * r * V, s], n * V, { work: n * V });
      } else product(k, { hidden, head } as Factors, V, r, n, s);
      let t = 0;
      if (factors) {
        t = scratchTeacher;
        product(k, factors, Vt, r, n, t);
      } else if (teacher) t = k.address(teacher as Tensor) + 4 * r * Vt;
      const row = (v: Tensor | undefined): number => (v ? k.address(v) + 4 * r * (v.shape[1] ?? 1) : 0);
      const [y, w] = [row(labels), row(rowWeights)];
      const weights = [temperature, ceWeight, klWeight];
      const shared = { work, chunks: Math.min(chunks, n), stride };
      if (topK) {
        const args = [s, row(topK.ids), row(topK.logProbs), row(topK.tailMass), y, w, terms, V, common];
        k.run("topKLosses", [...args, topK.ids.shape[1], ...weights], n, { ...shared, strided: 6 });
      } else {
        const { loop, a, b, share, rest } = form;
        const args = [s, t, y, w, terms, V, Vt, common, ...weights, LOOPS.indexOf(loop), a, b, share, rest];
        k.run("rowLosses", args, n, { ...shared, strided: 4 });
      }
      if (!hidden || !head) continue;
      const D = head.shape[1] as number;
      const h = k.address(hidden) + 4 * r * D;
      if (gradients.hidden) {
        const dh = k.address(gradients.hidden) + 4 * r * D;
        k.gemm(false, false, n, D, V, 1, s, V, k.address(head), D, 0, dh, D);
      }
      if (gradients.head) k.gemm(true, false, V, D, n, 1, s, V, h, D, r > 0 ? 1 : 0, k.address(gradients.head), D);
    }
    let [ce, kl] = [0, 0];
    for (let i = 0; i < chunks; i++) {
      const part = new Float64Array(k.buffer(), terms + i * stride, 2);
      ce += part[0] as number;
      kl += part[1] as number;
    }
    return [ce, kl] as const;
  });
  return { ce: scalar(ce), kl: scalar(kl), gradients };
}

/** Elements that a scratch row takes. */
const padded = (width: number): number => 4 * Math.ceil(width / 4);

interface Factors {
  readonly hidden: Tensor;
  readonly head: Tensor;
}

/** The first V logits of `n` rows from row `r`, to address `out`. */
function product(k: FusedKernels, { hidden, head }: Factors, V: number, r: number, n: number, out: number): void {
  const D = head.shape[1] as number;
  const h = k.address(hidden) + 4 * r * D;
  const slice = (from: number, count: number, weights: number): void =>
    k.gemm(false, true, n, count, D, 1, h, D, weights, D, 0, out + 4 * from, V);
  const half = halfOf(head);
  // a head in 16 bits is widened a slice of the vocabulary at a time
  const width = Math.min(V, Math.max(1, Math.floor(SLICE / D)));
  if (half === undefined) slice(0, V, k.address(head));
  else
    k.withScratch(4 * width * D, (weights) => {
      for (let v = 0; v < V; v += width) {
        const count = Math.min(width, V - v);
        widenInto({ ...half, words: half.words.subarray(v * D, (v + count) * D) }, k.buffer(), weights);
        slice(v, count, weights);
      }
    });
}
