import type { ImageBatch } from "@kd/contract";
import { computeFeatures, createFeatureCache } from "@kd/mllm";
import type { Student } from "./student.ts";

/** Features of pictures by the frozen tower that teacher and student share. */
export interface FeatureStore {
  /** In the order of the files. */
  of(files: readonly string[]): Promise<ImageBatch>;
}

const LIMIT = 2 ** 30; // bytes: as many pictures as fit are computed once, the others anew

/** Computes features a picture at a time, so that their last bits do not depend on what else is in a batch, and keeps the first GiB. */
export function createFeatureStore({ model, processor }: Student): FeatureStore {
  const { size, tokens } = processor;
  const each = tokens * model.config.vision_config.hidden_size * 4;
  const kept = createFeatureCache(model.tower);
  let bytes = 0;
  return {
    of: async (files) => {
      const passing = createFeatureCache(model.tower);
      for (const file of new Set(files)) {
        if (kept.has(file)) {
          passing.add([file], kept.batch([file]));
          continue;
        }
        const data = await processor.pixels(file);
        const features = await computeFeatures(model, { kind: "pixels", data, shape: [1, size, size, 3] });
        passing.add([file], features);
        if (bytes + each > LIMIT) continue;
        kept.add([file], features);
        bytes += each;
      }
      return passing.batch(files);
    },
  };
}
