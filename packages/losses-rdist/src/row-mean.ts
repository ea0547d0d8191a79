import { KdError } from "@kd/contract";
import { concat, div, reshape, type Scalar, sum, type Tensor, zeros } from "@kd/tensor-core";

/** What a sum over rows is divided by: a whole step's count, or the rows there are. @throws KdError `KD_CONFIG` for a count that cannot be. */
export function rowShare(where: string, rows: number, count: number = rows): number {
  if (!(count >= 0) || (count === 0 && rows > 0))
    throw new KdError(
      "KD_CONFIG",
      `${where}: count must be above 0 for ${rows} rows, got ${count}; leave it out for a plain mean`,
    );
  return count === 0 ? 1 : count;
}

/** The sum of rows' losses by their share. */
export const rowMean = (losses: Tensor, share: number): Scalar =>
  losses.size === 0 ? nothing(losses) : (div(sum(losses), share) as Scalar);

/** 0, and still a function of a tensor without elements: its gradient is 0, not missing. tfjs's own sum of none is undefined on wasm. */
export const nothing = (empty: Tensor): Scalar => sum(concat([reshape(empty, [empty.size]), zeros([1])])) as Scalar;
