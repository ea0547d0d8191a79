import { constant, type Operand, type StudentRows, slice, sliceRows, type Tensor2D } from "@kd/tensor-core";
import { vocabularyOf } from "./sides.ts";

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
