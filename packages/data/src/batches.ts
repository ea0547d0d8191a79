import { KdError } from "@kd/contract";

/** Where a pass over the data stands; plain JSON, so that a checkpoint can hold it. */
export interface Cursor {
  /** Whole passes done; it seeds the order. */
  readonly epoch: number;
  /** Items already given in this epoch. */
  readonly offset: number;
}

/** A permutation of 0…count−1 that depends on the seed alone (Fisher-Yates over a 32-bit mixer). */
export function shuffledIndices(count: number, seed: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  let state = seed >>> 0;
  for (let i = count - 1; i > 0; i--) {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    const at = Math.floor((((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32) * (i + 1));
    [order[i], order[at]] = [order[at] as number, order[i] as number];
  }
  return order;
}

/** Endless shuffled batches, the last of an epoch shorter. Each comes with the cursor that continues after it. */
export function* batches<T>(
  items: readonly T[],
  { batchSize, seed, cursor = { epoch: 0, offset: 0 } }: { batchSize: number; seed: number; cursor?: Cursor },
): Generator<{ items: T[]; next: Cursor }> {
  if (items.length === 0 || !Number.isInteger(batchSize) || batchSize < 1)
    throw new KdError(
      "KD_DATA",
      `batches: expected items and a batchSize of at least 1, got ${items.length} items, batchSize ${batchSize}; pass both`,
    );
  let { epoch, offset } = cursor;
  while (true) {
    const order = shuffledIndices(items.length, Math.imul(seed, 0x9e3779b1) + epoch);
    while (offset < items.length) {
      const chosen = order.slice(offset, offset + batchSize).map((i) => items[i] as T);
      offset += batchSize;
      const next = offset < items.length ? { epoch, offset } : { epoch: epoch + 1, offset: 0 };
      yield { items: chosen, next };
    }
    epoch++;
    offset = 0;
  }
}
