import { KdError } from "@kd/contract";
import { type Operand, type StudentRows, type Tensor2D, tensorOf } from "@kd/tensor-core";

/** How many rows a loss reads. */
export function rowCount(student: StudentRows): number {
  return tensorOf("hidden" in student ? student.hidden : (student as Operand<Tensor2D>)).shape[0];
}

/** What turns a weighted sum over rows into a mean; 0 for no rows at all. */
export function rowWeight(where: string, used: number, count: number): number {
  if (!(count >= 0 && count < Number.POSITIVE_INFINITY) || (count === 0 && used > 0))
    throw new KdError(
      "KD_CONFIG",
      `${where}: count must be above 0 for ${used} rows, got ${count}; leave it out for a plain mean`,
    );
  return count === 0 ? 0 : 1 / count;
}

export const total = (weights: Float32Array): number => weights.reduce((sum, weight) => sum + weight, 0);

/** The weights of the rows read. @throws KdError `KD_SHAPE`, or `KD_CONFIG` for a weight that is negative or not finite. */
export function pickWeights(
  where: string,
  weights: ArrayLike<number>,
  count: number,
  rows: Int32Array | undefined,
): Float32Array {
  if (weights.length !== count)
    throw new KdError("KD_SHAPE", `${where}: rowWeights must be one for each of ${count} rows, got ${weights.length}`);
  const all = Float32Array.from(weights);
  const wrong = all.findIndex((weight) => !(weight >= 0 && weight < Number.POSITIVE_INFINITY));
  if (wrong >= 0)
    throw new KdError(
      "KD_CONFIG",
      `${where}: rowWeights must be at least 0 and finite, got ${all[wrong]} for row ${wrong}`,
    );
  return rows ? Float32Array.from(rows, (row) => all[row] as number) : all;
}
