import { constant, type Operand, type StudentRows, slice, type Tensor2D, tensorOf } from "@kd/tensor-core";

/** How many ids a row of logits has. */
export function vocabularyOf(rows: StudentRows): number {
  return ("hidden" in rows ? tensorOf(rows.head).shape[0] : tensorOf(rows).shape[1]) as number;
}

/** The logits of the first `count` ids only; a constant stays constant. */
export function firstIds<T extends StudentRows>(rows: T, count: number): T {
  if (vocabularyOf(rows) === count) return rows;
  const cut = (from: Operand<Tensor2D>, size: [number, number]): Operand<Tensor2D> => {
    const part = slice(tensorOf(from), [0, 0], size);
    return "constant" in from ? constant(part) : part;
  };
  return (
    "hidden" in rows
      ? { hidden: rows.hidden, head: cut(rows.head, [count, -1]) }
      : cut(rows as Operand<Tensor2D>, [-1, count])
  ) as T;
}
