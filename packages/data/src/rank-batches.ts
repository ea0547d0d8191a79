/** Batches that one rank takes from an order; every rank gets as many. */
export interface RankBatches {
  /** Batches of this rank. */
  readonly count: number;
  /** Positions [start, end) in the order; empty only at the end, when fewer items are left than there are ranks. */
  at(batch: number): readonly [start: number, end: number];
}

/**
 * Deals an order to ranks: mega-batch k of `worldSize · batchSize` positions goes to the ranks in turn. What is left at the end is shared evenly:
 * no item is given twice or left out.
 */
export function rankBatches(
  items: number,
  options: { batchSize: number; rank?: number; worldSize?: number },
): RankBatches {
  const { batchSize, rank = 0, worldSize = 1 } = options;
  const size = batchSize * worldSize;
  return {
    count: Math.ceil(items / size),
    at: (batch) => {
      const from = batch * size;
      const left = Math.min(size, items - from);
      if (left === size) return [from + rank * batchSize, from + (rank + 1) * batchSize];
      return [from + Math.floor((left * rank) / worldSize), from + Math.floor((left * (rank + 1)) / worldSize)];
    },
  };
}
