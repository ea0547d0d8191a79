import { KdError } from "@kd/contract";
import { type Operand, tensorOf } from "../operand.ts";
import type { Tensor, Tensor1D, Tensor2D } from "../ops.ts";
import { assertShapes } from "../shape.ts";
import type { DivergenceForm } from "./divergence.ts";
import { peek } from "./finite.ts";
import type { RowLossesOptions } from "./row-losses.ts";
import type { RowTask, StudentName, TopKRows } from "./row-task.ts";

/** Shapes and the vocabulary; gives the sizes back. */
export function checkRows(
  where: string,
  { logits, hidden, head }: Partial<Record<StudentName, Operand<Tensor2D>>>,
  { labels, teacher, rowWeights, vocabulary }: RowLossesOptions,
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
  } else if (teacher !== undefined && "ids" in teacher) {
    specs["teacher.ids"] = [teacher.ids, "R K"];
    specs["teacher.logProbs"] = [teacher.logProbs, "R K"];
    if (teacher.tailMass !== undefined) specs["teacher.tailMass"] = [teacher.tailMass, "R"];
  } else if (teacher !== undefined) specs.teacher = [teacher, "R W"];
  assertShapes(where, specs);
  const int32: Record<string, Tensor | undefined> = { labels };
  if (teacher !== undefined && "ids" in teacher) int32["teacher.ids"] = teacher.ids;
  for (const [name, tensor] of Object.entries(int32))
    if (tensor !== undefined && tensor.dtype !== "int32")
      throw new KdError("KD_SHAPE", `${where}: ${name} must be int32, got ${tensor.dtype}`);
  const V = logits === undefined ? tensorOf(head as Operand<Tensor2D>).shape[0] : tensorOf(logits).shape[1];
  const R = tensorOf((logits ?? hidden) as Operand<Tensor2D>).shape[0];
  if (teacher === undefined) return { R, V, Vt: 0, common: 0 };
  const isTopK = "ids" in teacher;
  const Vt = isTopK ? 0 : "hidden" in teacher ? teacher.head.shape[0] : teacher.shape[1];
  const most = isTopK ? V : Math.min(V, Vt);
  const common = (isTopK ? teacher.vocabulary : vocabulary) ?? most;
  if (!(Number.isInteger(common) && common >= 1 && common <= most))
    throw new KdError(
      "KD_CONFIG",
      `${where}: ${isTopK ? "teacher.vocabulary" : "vocabulary"} must be a whole number from 1 to ${most}, the smaller side's, got ${common}`,
    );
  return { R, V, Vt, common };
}

/** A label points into memory: a wrong one must not get there. */
export function checkLabels(where: string, labels: Tensor1D, vocabulary: number): void {
  const ids = peek(labels);
  const row = ids?.findIndex((id) => id >= vocabulary) ?? -1;
  if (row >= 0)
    throw new KdError(
      "KD_DATA",
      `${where}: label ${ids?.[row]} of row ${row} must be below the vocabulary's ${vocabulary}`,
    );
}

/** So does an id of a top-k row; and its probabilities must be some. */
export function checkTopK(where: string, topK: TopKRows, { loop }: DivergenceForm, vocabulary: number): void {
  const [rows, k] = topK.ids.shape;
  if (loop !== "forward")
    throw new KdError(
      "KD_CONFIG",
      `${where}: divergence must be forwardKl for a teacher's top-k rows, got another one`,
    );
  if (!(k >= 1 && k <= vocabulary))
    throw new KdError(
      "KD_SHAPE",
      `${where}: teacher.ids must be [R, k] with k from 1 to ${vocabulary}, got [${rows}, ${k}]`,
    );
  const wrong = (name: string, expected: string, row: number, got: unknown) =>
    new KdError("KD_DATA", `${where}: teacher.${name} must be ${expected}, got ${got} in row ${row}`);
  const ids = peek(topK.ids);
  const lastRow = new Int32Array(ids === undefined ? 0 : vocabulary).fill(-1); // in which an id was seen
  for (const [i, id] of ids?.entries() ?? []) {
    const row = Math.floor(i / k);
    if (!(id >= 0 && id < vocabulary)) throw wrong("ids", `in 0…${vocabulary - 1}`, row, id);
    if (lastRow[id] === row) throw wrong("ids", "different in a row", row, `${id} twice`);
    lastRow[id] = row;
  }
  for (const [i, l] of peek(topK.logProbs)?.entries() ?? [])
    if (!(l <= 1e-3 && l > Number.NEGATIVE_INFINITY))
      throw wrong("logProbs", "finite and at most 0", Math.floor(i / k), l);
  for (const [row, mass] of (topK.tailMass && peek(topK.tailMass))?.entries() ?? [])
    if (!(mass >= 0 && mass <= 1.001)) throw wrong("tailMass", "from 0 to 1", row, mass);
}
