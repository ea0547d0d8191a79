import { KdError } from "@kd/contract";
import { type Operand, type StudentRows, type Tensor2D, tensorOf } from "@kd/tensor-core";

/** How many rows a loss reads. */
export function rowCount(student: StudentRows): number {
  return tensorOf("hidden" in student ? student.hidden : (student as Operand<Tensor2D>)).shape[0];
}

/** What turns a sum over rows into a mean; 0 for no rows at all. */
export function rowWeight(where: string, used: number, count: number): number {
  if (!(count >= 0) || (count === 0 && used > 0))
    throw new KdError(
      "KD_CONFIG",
      `${where}: count must be above 0 for ${used} rows, got ${count}; leave it out for a plain mean`,
    );
  return count === 0 ? 0 : 1 / count;
}
