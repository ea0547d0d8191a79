import type { FeatureCache } from "@kd/mllm";

/** The same cache with nothing to see: features of zeros. */
export function createBlindCache(cache: FeatureCache): FeatureCache {
  return {
    ...cache,
    batch: (keys) => {
      const images = cache.batch(keys);
      return { ...images, data: new Float32Array(images.data.length) };
    },
  };
}
