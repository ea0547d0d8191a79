import type { Tensor4D } from "@kd/tensor-core";

/** Keys and values of the positions that a decoder has already read. */
export interface KeyValueCache {
  /** Positions read so far. */
  length: number;
  /** One a layer, `[B, length, KV, headDim]` each; owned by the cache. */
  readonly layers: { key: Tensor4D; value: Tensor4D }[];
}

/** An empty cache for one batch of sequences. */
export function createKeyValueCache(): KeyValueCache {
  return { length: 0, layers: [] };
}

/** Frees its tensors and empties it. */
export function disposeKeyValueCache(cache: KeyValueCache): void {
  for (const { key, value } of cache.layers) {
    key.dispose();
    value.dispose();
  }
  cache.layers.length = 0;
  cache.length = 0;
}
