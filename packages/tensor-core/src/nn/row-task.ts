import type { LogitRows } from "../model.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../ops.ts";
import type { DivergenceForm } from "./divergence.ts";

export type StudentName = "logits" | "hidden" | "head";

/**
 * A teacher's rows cut to the k most likely ids of each (`topKRows` makes them) and one outcome for all the others, the rest. Small enough to
 * be kept: 8k + 4 bytes a row.
 */
export interface TopKRows {
  /** int32 `[R, k]`, no id twice in a row. */
  readonly ids: Tensor2D;
  /** `[R, k]`, log-probabilities of these ids. */
  readonly logProbs: Tensor2D;
  /** `[R]`, probability of the rest. @defaultValue 1 − Σ exp(logProbs), at least 0 */
  readonly tailMass?: Tensor1D;
  /** How many ids, from the first on, the probabilities are over. @defaultValue the student's vocabulary */
  readonly vocabulary?: number;
}

/** The same with its tail mass at hand. */
export interface WholeTopKRows extends TopKRows {
  readonly tailMass: Tensor1D;
}

/** What both bodies of `rowLosses` read; R, V and V' (0 without a teacher's logits) are the sizes, `common` what the divergence reads. */
export interface RowTask {
  readonly student: Readonly<Partial<Record<StudentName, Tensor>>>;
  readonly wants: (name: StudentName) => boolean;
  readonly labels: Tensor1D | undefined;
  readonly teacher: LogitRows | undefined;
  readonly topK: WholeTopKRows | undefined;
  readonly form: DivergenceForm;
  readonly rowWeights: Tensor1D | undefined;
  readonly sizes: { readonly R: number; readonly V: number; readonly Vt: number; readonly common: number };
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
