import type { TokenBatch } from "@kd/contract";
import { collate, type Sample } from "@kd/data";
import type { FeatureCache } from "@kd/mllm";
import type { Rng } from "@kd/tensor-core";
import { PAD_ID } from "./text.ts";

/** A batch of samples with the features of one image each. */
export function featureBatch(
  samples: readonly Sample[],
  keys: readonly string[],
  cache: FeatureCache,
  vocabularySize: number,
): TokenBatch {
  return { ...collate(samples, { padId: PAD_ID, vocabSize: vocabularySize }), images: cache.batch(keys) };
}

/** The same batch with Gaussian noise of this deviation on its features: frozen features are learnt by heart otherwise. */
export function withFeatureNoise(batch: TokenBatch, deviation: number, rng: Rng): TokenBatch {
  if (batch.images === undefined) return batch;
  const data = batch.images.data.map((x) => x + deviation * rng.normal());
  return { ...batch, images: { ...batch.images, data } };
}

/** The same batch with nothing to see: the blind floor. */
export function blinded(batch: TokenBatch): TokenBatch {
  if (batch.images === undefined) return batch;
  return { ...batch, images: { ...batch.images, data: new Float32Array(batch.images.data.length) } };
}
