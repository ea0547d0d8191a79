import { constant, type Operand, type StudentRows, slice, sliceRows, type Tensor2D, tensorOf } from "@kd/tensor-core";

/** How many ids a row of logits has. */
export function vocabularyOf(rows: StudentRows): number {
  return ("hidden" in rows ? tensorOf(rows.head).shape[0] : tensorOf(rows).shape[1]) as number;
}

/** The logits of the first `count` ids only; a constant stays constant. */
export function firstIds<T extends StudentRows>(rows: T, count: number): T {
  if (vocabularyOf(rows) === count) return rows;
  const cut = (from: Operand<Tensor2D>, part: (t: Tensor2D) => Tensor2D): Operand<Tensor2D> =>
    "constant" in from ? constant(part(from.constant)) : part(from);
  return (
    "hidden" in rows
      ? { hidden: rows.hidden, head: cut(rows.head, (head) => sliceRows(head, 0, count)) }
      : cut(rows as Operand<Tensor2D>, (logits) => slice(logits, [0, 0], [-1, count]))
  ) as T;
}
