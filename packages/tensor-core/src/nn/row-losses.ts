import { KdError } from "@kd/contract";
import { fusedKernels } from "../kernels/fused-kernels.ts";
import type { LogitRows } from "../model.ts";
import { differentiable, type Operand } from "../operand.ts";
import { add, clone, engine, keep, mul, type Scalar, type Tensor, type Tensor1D, type Tensor2D } from "../ops.ts";
import { type Divergence, formOf } from "./divergence.ts";
import { assertFinite } from "./finite.ts";
import { checkLabels, checkRows, checkTopK } from "./row-checks.ts";
import { fusedRowLosses } from "./row-losses-fused.ts";
import { portableRowLosses } from "./row-losses-portable.ts";
import type { RowTask, StudentName, TopKRows } from "./row-task.ts";
import { tailMassOf } from "./top-k-rows.ts";

/** The student's rows of logits: dense `[R, V]`, or factors `hidden [R, D] · headᵀ [D, V]`, of which no `[R, V]` tensor is ever made. */
export type StudentRows = Operand<Tensor2D> | { readonly hidden: Operand<Tensor2D>; readonly head: Operand<Tensor2D> };

/** Options of {@link rowLosses}. */
export interface RowLossesOptions {
  readonly student: StudentRows;
  /** int32 `[R]`, each below V; a negative label leaves the cross-entropy of its row out. Without labels `ce` is 0. */
  readonly labels?: Tensor1D;
  /** `[R, V']` or factors, or the k most likely ids of each row; never gets a gradient. Without a teacher `kl` is 0. */
  readonly teacher?: LogitRows | TopKRows;
  /** How far the student is from the teacher; of top-k rows the forward KL alone. @defaultValue the forward KL, the paper's */
  readonly divergence?: Divergence;
  /** How many ids, from the first on, the divergence reads: the vocabulary that both sides know. @defaultValue min(V, V') */
  readonly vocabulary?: number;
  /** Of both softmaxes of the divergence, which is multiplied by its square. @defaultValue 1 */
  readonly temperature?: number;
  /** @defaultValue 1 */
  readonly ceWeight?: number;
  /** Of the divergence. @defaultValue 1 */
  readonly klWeight?: number;
  /** `[R]`; what a row of weight 0 holds is not looked at. @defaultValue 1 for every row */
  readonly rowWeights?: Tensor1D;
  /** Rows whose logits exist at the same time. @defaultValue as many as 24 MiB hold, 48 to 256 */
  readonly chunkSize?: number;
  /** Who asks, for messages. @defaultValue "rowLosses" */
  readonly where?: string;
}

/** Scalars, sums over rows; the caller's to dispose. */
export interface RowLosses {
  /** `ce + kl`; the only one with a gradient. */
  readonly loss: Scalar;
  /** `ceWeight · Σ w·(−log q[label])`, over the student's whole vocabulary. */
  readonly ce: Scalar;
  /** `klWeight · T² · Σ w·divergence(p, q)`, `p` the teacher, both cut to the common first ids before their softmax. */
  readonly kl: Scalar;
}

/**
 * Cross-entropy and a divergence of the same rows in one pass, as sums over rows; weights are where a mean comes from. The gradient is
 * computed with the value, a chunk of rows at a time, and only when it is asked for.
 *
 * @throws KdError `KD_SHAPE` naming the argument; `KD_CONFIG` for a temperature, chunk size, vocabulary or divergence that cannot be. Where
 * numbers can be seen without waiting for a device (cpu, wasm): `KD_DATA` for a label or top-k row that cannot be, `KD_DIVERGED` for logits that
 * are not finite.
 */
export function rowLosses(options: RowLossesOptions): RowLosses {
  const { student, teacher, divergence = { kind: "forwardKl" }, temperature = 1, where = "rowLosses" } = options;
  const operands: Partial<Record<StudentName, Operand<Tensor2D>>> =
    "hidden" in student ? { hidden: student.hidden, head: student.head } : { logits: student };
  const form = formOf(where, divergence);
  const sizes = checkRows(where, operands, options);
  const { chunkSize = defaultChunk(sizes) } = options;
  if (!(temperature > 0 && temperature < Number.POSITIVE_INFINITY))
    throw new KdError("KD_CONFIG", `${where}: temperature must be above 0 and finite, got ${temperature}`);
  if (!(chunkSize >= 1)) throw new KdError("KD_CONFIG", `${where}: chunkSize must be at least 1, got ${chunkSize}`);
  const { labels, rowWeights, ceWeight = 1, klWeight = 1 } = options;
  if (labels !== undefined) checkLabels(where, labels, sizes.V);
  const read = klWeight === 0 ? undefined : teacher;
  const topK = read !== undefined && "ids" in read ? read : undefined;
  if (topK !== undefined) checkTopK(where, topK, form, sizes.common);
  const shared = {
    labels: ceWeight === 0 ? undefined : labels,
    teacher: topK === undefined ? (read as LogitRows | undefined) : undefined,
    form,
    rowWeights,
    sizes,
    temperature,
    ceWeight,
    klWeight,
    chunkSize: Math.floor(chunkSize),
  };
  const taped = (engine() as unknown as { isTapeOn(): boolean }).isTapeOn();
  const wants = (name: StudentName): boolean => taped && "constant" in (operands[name] ?? { constant: 0 }) === false;
  let parts: readonly Tensor[] = [];
  const loss = differentiable(operands as Record<StudentName, Operand>, (values) => {
    const whole = topK && { ...topK, tailMass: topK.tailMass ?? tailMassOf(topK.logProbs) };
    const task: RowTask = { ...shared, topK: whole, student: values, wants };
    const { ce, kl, gradients } = fusedKernels() ? fusedRowLosses(task) : portableRowLosses(task);
    const value = add(ce, kl);
    assertFinite(where, value, { student, ...(teacher === undefined || "ids" in teacher ? {} : { teacher }) });
    parts = [keep(ce), keep(kl)];
    const names = (Object.keys(operands) as StudentName[]).filter(wants);
    return {
      value,
      saved: names.map((name) => gradients[name] as Tensor),
      backward: (dy, saved) => Object.fromEntries(names.map((name, i) => [name, scaled(saved[i] as Tensor, dy)])),
    };
  });
  const [ce, kl] = parts.map((part) => {
    const copy = clone(part); // belongs to the caller's tidy, as `part`, made inside the op, cannot
    part.dispose();
    return copy;
  }) as [Scalar, Scalar];
  return { loss: loss as Scalar, ce, kl };
}

/** Rows of a chunk that is not chosen. */
export function defaultChunk({ V, Vt }: RowTask["sizes"]): number {
  const rows = Math.floor((24 * 2 ** 18) / (V + Vt));
  return Math.min(256, Math.max(48, rows - (rows % 16)));
}

/** `gradient · dy`. A head's gradient is as large as the head: for the usual factor, 1, it is not copied. */
function scaled(gradient: Tensor, dy: Tensor): Tensor {
  const k = fusedKernels();
  const factor = k === undefined ? undefined : new Float32Array(k.buffer(), k.address(dy), 1)[0];
  return factor === 1 ? clone(gradient) : mul(gradient, dy);
}
