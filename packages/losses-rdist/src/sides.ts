import { KdError } from "@kd/contract";
import { constant, type LogitRows, type StudentRows, tensorOf } from "@kd/tensor-core";

/** N of `[N, V]` or of factors. */
export const rowCount = (rows: StudentRows): number =>
  tensorOf("hidden" in rows ? rows.hidden : rows).shape[0] as number;

/** How many ids a row of logits has. */
export const vocabularyOf = (rows: StudentRows): number =>
  ("hidden" in rows ? tensorOf(rows.head).shape[0] : tensorOf(rows).shape[1]) as number;

/** A teacher's rows, which get no gradient. */
export const frozen = (rows: LogitRows): StudentRows =>
  "hidden" in rows ? { hidden: constant(rows.hidden), head: constant(rows.head) } : constant(rows);

/** @throws KdError `KD_SHAPE` when the sides have different numbers of rows. */
export function assertSameRows(where: string, student: StudentRows, teacher: LogitRows): void {
  const [ours, theirs] = [rowCount(student), rowCount(teacher)];
  if (ours !== theirs)
    throw new KdError(
      "KD_SHAPE",
      `${where}: student and teacher must have the same number of tokens, got ${ours} and ${theirs} rows; let both read the same batch`,
    );
}
