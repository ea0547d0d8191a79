import { KdError } from "@kd/contract";
import { fusedKernels } from "../kernels/binding.ts";
import type { LogitRows } from "../model.ts";
import { differentiable, type Operand, tensorOf } from "../operand.ts";
import { add, clone, engine, keep, mul, type Scalar, type Tensor, type Tensor1D, type Tensor2D } from "../ops.ts";
import { assertShapes } from "../shape.ts";
import { fusedRowLosses } from "./row-losses-fused.ts";
import { portableRowLosses } from "./row-losses-portable.ts";

/** The student's rows of logits: dense `[R, V]`, or factors `hidden [R, D] · headᵀ [D, V]`, of which no `[R, V]` tensor is ever made. */
export type StudentRows = Operand<Tensor2D> | { readonly hidden: Operand<Tensor2D>; readonly head: Operand<Tensor2D> };

/** Options of {@link rowLosses}. */
export interface RowLossesOptions {
  readonly student: StudentRows;
  /** int32 `[R]`, each below V; a negative label leaves the cross-entropy of its row out. Without labels `ce` is 0. */
  readonly labels?: Tensor1D;
  /** `[R, V']` or factors; never gets a gradient. Without a teacher `kl` is 0. */
  readonly teacher?: LogitRows;
  /** Of both softmaxes of the KL, which is multiplied by its square. @defaultValue 1 */
  readonly temperature?: number;
  /** @defaultValue 1 */
  readonly ceWeight?: number;
  /** @defaultValue 1 */
  readonly klWeight?: number;
  /** `[R]`. @defaultValue 1 for every row */
  readonly rowWeights?: Tensor1D;
  /** Rows whose logits exist at the same time. @defaultValue as many as 32 MiB hold, 64 to 256 */
  readonly chunkSize?: number;
}

/** Scalars, sums over rows; the caller's to dispose. */
export interface RowLosses {
  /** `ce + kl`; the only one with a gradient. */
  readonly loss: Scalar;
  /** `ceWeight · Σ w·(−log q[label])`, over the student's whole vocabulary. */
  readonly ce: Scalar;
  /** `klWeight · T² · Σ w·KL(p ‖ q)`, `p` the teacher, both cut to the first min(V, V') ids before their softmax. */
  readonly kl: Scalar;
}

type StudentName = "logits" | "hidden" | "head";

/** What both bodies of {@link rowLosses} read; R, V and V' (0 without a KL) are the sizes. */
export interface RowTask {
  readonly student: Readonly<Partial<Record<StudentName, Tensor>>>;
  readonly wants: (name: StudentName) => boolean;
  readonly labels: Tensor1D | undefined;
  readonly teacher: LogitRows | undefined;
  readonly rowWeights: Tensor1D | undefined;
  readonly sizes: { readonly R: number; readonly V: number; readonly Vt: number };
  readonly temperature: number;
  readonly ceWeight: number;
  readonly klWeight: number;
  readonly chunkSize: number;
}

/** `gradients`: of ce + kl, of every student tensor that is wanted. */
export interface RowSums {
  readonly ce: Tensor;
  readonly kl: Tensor;
  readonly gradients: Partial<Record<StudentName, Tensor>>;
}

/**
 * Cross-entropy and forward KL of the same rows in one pass, as sums over rows; weights are where a mean comes from. The gradient is
 * computed with the value, a chunk of rows at a time, and only when it is asked for.
 *
 * @throws KdError `KD_SHAPE` naming the argument; `KD_CONFIG` for a temperature or chunk size that is not positive; `KD_DATA` for a label
 * outside the vocabulary, where that can be seen without waiting for a device (wasm).
 */
export function rowLosses(options: RowLossesOptions): RowLosses {
  const { student, temperature = 1 } = options;
  const operands: Partial<Record<StudentName, Operand<Tensor2D>>> =
    "hidden" in student ? { hidden: student.hidden, head: student.head } : { logits: student };
  const sizes = check(operands, options);
  const { chunkSize = defaultChunk(sizes) } = options;
  if (!(temperature > 0)) throw new KdError("KD_CONFIG", `rowLosses: temperature must be above 0, got ${temperature}`);
  if (!(chunkSize >= 1)) throw new KdError("KD_CONFIG", `rowLosses: chunkSize must be at least 1, got ${chunkSize}`);
  const { labels, teacher, rowWeights, ceWeight = 1, klWeight = 1 } = options;
  const shared = {
    labels: ceWeight === 0 ? undefined : labels,
    teacher: klWeight === 0 ? undefined : teacher,
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
    const task: RowTask = { ...shared, student: values, wants };
    const { ce, kl, gradients } = fusedKernels() ? fusedRowLosses(task) : portableRowLosses(task);
    parts = [keep(ce), keep(kl)];
    const names = (Object.keys(operands) as StudentName[]).filter(wants);
    return {
      value: add(ce, kl),
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

function defaultChunk({ V, Vt }: RowTask["sizes"]): number {
  const rows = Math.floor(2 ** 23 / (V + Vt));
  return Math.min(256, Math.max(64, rows - (rows % 16)));
}

/** `gradient · dy`. A head's gradient is as large as the head: for the usual factor, 1, it is not copied. */
function scaled(gradient: Tensor, dy: Tensor): Tensor {
  const k = fusedKernels();
  const factor = k === undefined ? undefined : new Float32Array(k.buffer(), k.address(dy), 1)[0];
  return factor === 1 ? clone(gradient) : mul(gradient, dy);
}

function check(
  { logits, hidden, head }: Partial<Record<StudentName, Operand<Tensor2D>>>,
  { labels, teacher, rowWeights }: RowLossesOptions,
): RowTask["sizes"] {
  const specs: Record<string, readonly [Tensor, string]> = {};
  if (logits !== undefined) specs.student = [tensorOf(logits), "R V"];
  if (hidden !== undefined) specs["student.hidden"] = [tensorOf(hidden), "R D"];
  if (head !== undefined) specs["student.head"] = [tensorOf(head), "V D"];
  if (labels !== undefined) specs.labels = [labels, "R"];
  if (rowWeights !== undefined) specs.rowWeights = [rowWeights, "R"];
  if (teacher !== undefined && "hidden" in teacher) {
    specs["teacher.hidden"] = [teacher.hidden, "R E"];
    specs["teacher.head"] = [teacher.head, "W E"];
  } else if (teacher !== undefined) specs.teacher = [teacher, "R W"];
  assertShapes("rowLosses", specs);
  if (labels !== undefined && labels.dtype !== "int32")
    throw new KdError("KD_SHAPE", `rowLosses: labels must be int32, got ${labels.dtype}`);
  const [first, second] = [
    tensorOf((logits ?? hidden) as Operand<Tensor2D>),
    tensorOf((logits ?? head) as Operand<Tensor2D>),
  ];
  const theirs = teacher === undefined ? 0 : "hidden" in teacher ? teacher.head.shape[0] : teacher.shape[1];
  return { R: first.shape[0], V: logits === undefined ? second.shape[0] : second.shape[1], Vt: theirs };
}
