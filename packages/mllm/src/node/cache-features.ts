import { KdError } from "@kd/contract";
import { computeFeatures, type FeatureCache } from "../feature-cache.ts";
import type { Llava } from "../llava.ts";

/** An image whose features are wanted. */
export interface ImageToCache {
  /** Names its content, as the cache wants it. */
  readonly key: string;
  /** Normalised pixels `[H, W, C]`, asked for where the cache lacks the image. */
  readonly pixels: () => Float32Array | Promise<Float32Array>;
}

/** Options of {@link cacheFeatures}. */
export interface CacheFeaturesOptions {
  readonly cache: FeatureCache;
  readonly model: Llava;
  readonly images: AsyncIterable<ImageToCache> | Iterable<ImageToCache>;
  /** Of every image. */
  readonly shape: readonly [H: number, W: number, C: number];
  /** Images that the tower reads at once. @defaultValue 64 */
  readonly chunk?: number;
}

/** So far. */
export interface FeaturesProgress {
  readonly images: number;
  /** Of them computed now; the others were there. */
  readonly computed: number;
}

/**
 * Fills a cache with features of images, a yield a chunk; what is there is checked and not computed again, so a filling that was killed goes on.
 *
 * @throws KdError `KD_SHAPE` for pixels of another size.
 */
export async function* cacheFeatures(options: CacheFeaturesOptions): AsyncGenerator<FeaturesProgress, void, undefined> {
  const { cache, model, images, shape, chunk = 64 } = options;
  const size = shape[0] * shape[1] * shape[2];
  const waiting = new Map<string, Float32Array>();
  let [seen, computed] = [0, 0];
  const flush = async (): Promise<void> => {
    const data = new Float32Array(waiting.size * size);
    for (const [i, pixels] of [...waiting.values()].entries()) data.set(pixels, i * size);
    const batch = { kind: "pixels", data, shape: [waiting.size, ...shape] } as const;
    cache.add([...waiting.keys()], await computeFeatures(model, batch, { chunk }));
    computed += waiting.size;
    waiting.clear();
  };
  for await (const { key, pixels } of images) {
    seen++;
    if (!cache.has(key) && !waiting.has(key)) {
      const data = await pixels();
      if (data.length !== size)
        throw new KdError(
          "KD_SHAPE",
          `cacheFeatures: image "${key}" must be [${shape.join(", ")}], ${size} numbers, got ${data.length}; use the model's processor`,
        );
      waiting.set(key, data);
      if (waiting.size === chunk) await flush();
    }
    if (seen % chunk === 0) yield { images: seen, computed };
  }
  if (waiting.size > 0) await flush();
  yield { images: seen, computed };
}
