import type { ImageBatch } from "@kd/contract";
import { computeFeatures, createFeatureCache } from "@kd/mllm";
import { keptKeys, keysMemory } from "./kept-keys.ts";
import type { Picture } from "./step-encoder.ts";
import type { Student } from "./student.ts";

/** Features of pictures by the frozen tower that teacher and student share. */
export interface FeatureStore {
  /** Keys of the pictures that are kept, for other threads. */
  readonly kept: SharedArrayBuffer;
  /** In the order of the pictures. */
  of(pictures: readonly Picture[]): Promise<ImageBatch>;
}

const LIMIT = 2 ** 30; // bytes: as many pictures as fit are computed once, the others anew
const MOST = 2 ** 20; // pictures

/** Computes features a picture at a time, so that their last bits do not depend on what else is in a batch, and keeps the first GiB. */
export function createFeatureStore({ model, processor }: Student): FeatureStore {
  const { size, tokens } = processor;
  const most = Math.min(MOST, Math.floor(LIMIT / (tokens * model.config.vision_config.hidden_size * 4)));
  const keys = keptKeys(keysMemory(most));
  const kept = createFeatureCache(model.tower);
  let count = 0;
  return {
    kept: keys.memory,
    of: async (pictures) => {
      const passing = createFeatureCache(model.tower);
      for (const { key, pixels } of pictures) {
        if (passing.has(key)) continue;
        if (kept.has(key)) {
          passing.add([key], kept.batch([key]));
          continue;
        }
        const data = pixels as Float32Array; // without pixels it would be among the kept
        const features = await computeFeatures(model, { kind: "pixels", data, shape: [1, size, size, 3] });
        passing.add([key], features);
        if (count >= most) continue;
        kept.add([key], features);
        keys.add(key);
        count++;
      }
      return passing.batch(pictures.map(({ key }) => key));
    },
  };
}
