import { KdError, type TokenBatch } from "@kd/contract";
import {
  gatherRows,
  type LogitRows,
  reshape,
  type Tensor2D,
  type TopKRows,
  tensor1d,
  tensor2d,
  type VisionLanguageModel,
} from "@kd/tensor-core";

/** The teacher's k most likely ids of each response row, as `topKRows` makes them. */
export interface KeptTopK {
  /** `[R·k]` */
  readonly ids: Int32Array;
  /** `[R·k]` */
  readonly logProbs: Float32Array;
  /** `[R]`, probability of all other ids. */
  readonly tailMass: Float32Array;
  /** How many ids, from the first on, the probabilities are over. */
  readonly vocabulary: number;
  /** Of the softmax. */
  readonly temperature: number;
}

/** What a teacher says to one micro-batch, as plain arrays. */
export interface TaughtRows {
  /** Of `responseRows(batch)`, in that order: last hidden states `[R·D]`, or top-k rows. */
  readonly response: { readonly hidden: Float32Array } | KeptTopK;
  /** Of `visualRows(batch)`, in that order: last hidden states `[N·D]`. */
  readonly visual: { readonly hidden: Float32Array };
}

/** A teacher that is not there: its rows, and the head that turns hidden states into logits. */
export interface TeacherRows {
  /** `[V, D]`, borrowed. */
  readonly head: Tensor2D;
  /** Asked once for each micro-batch, before its step. */
  rows(batch: TokenBatch): TaughtRows | Promise<TaughtRows>;
}

/** A teacher's rows as the losses take them; new tensors. */
interface Targets {
  readonly response: LogitRows | TopKRows;
  readonly visual: LogitRows;
}

export const isKept = (teacher: VisionLanguageModel | TeacherRows): teacher is TeacherRows => !("forward" in teacher);

/** One forward pass outside the gradient: none of its activations is kept. */
export function targetsOf(
  teacher: VisionLanguageModel,
  batch: TokenBatch,
  { response, visual }: { readonly response: Int32Array; readonly visual: Int32Array },
): Targets {
  const { hidden } = teacher.forward(batch);
  const flat = reshape(hidden, [-1, hidden.shape[2]]) as Tensor2D;
  const rowsOf = (rows: Int32Array) => ({
    hidden: gatherRows(flat, tensor1d(rows, "int32")) as Tensor2D,
    head: teacher.head,
  });
  return { response: rowsOf(response), visual: rowsOf(visual) };
}

/** @throws KdError `KD_SHAPE` where there are not as many rows as the batch has; `KD_CONFIG` for top-k rows of another temperature. */
export function keptTargets(
  head: Tensor2D,
  { response, visual }: TaughtRows,
  {
    rows,
    temperature,
  }: { readonly rows: { readonly response: number; readonly visual: number }; readonly temperature: number },
): Targets {
  const width = head.shape[1];
  const factors = (name: "response" | "visual", hidden: Float32Array): LogitRows => {
    if (hidden.length !== rows[name] * width) throw wrongRows(name, rows[name], hidden.length / width);
    return { hidden: tensor2d(hidden, [rows[name], width]) as Tensor2D, head };
  };
  const seen = factors("visual", visual.hidden);
  if ("hidden" in response) return { response: factors("response", response.hidden), visual: seen };
  const { ids, logProbs, tailMass, vocabulary } = response;
  if (response.temperature !== temperature)
    throw new KdError(
      "KD_CONFIG",
      `trainStage: the teacher's top-k rows are of temperature ${response.temperature}, the loss asks for ${temperature}; keep them at that`,
    );
  if (tailMass.length !== rows.response) throw wrongRows("response", rows.response, tailMass.length);
  const shape: [number, number] = [rows.response, rows.response === 0 ? 1 : ids.length / rows.response];
  const topK = {
    ids: tensor2d(ids, shape, "int32") as Tensor2D,
    logProbs: tensor2d(logProbs, shape) as Tensor2D,
    tailMass: tensor1d(tailMass),
    vocabulary,
  };
  return { response: topK, visual: seen };
}

const wrongRows = (name: string, expected: number, got: number): KdError =>
  new KdError("KD_SHAPE", `trainStage: the teacher's ${name} rows must be the batch's ${expected}, got ${got}`);
