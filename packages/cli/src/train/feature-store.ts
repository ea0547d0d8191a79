import { join } from "node:path";
import { type ImageBatch, KdError } from "@kd/contract";
import { computeFeatures, createFeatureCache } from "@kd/mllm";
import { openDiskFeatures } from "@kd/mllm/node";
import { note } from "../terminal.ts";
import { keptKeys, keysMemory } from "./kept-keys.ts";
import type { Picture } from "./step-encoder.ts";
import type { Student } from "./student.ts";

/** Features of pictures by the frozen tower that teacher and student share. */
export interface FeatureStore {
  /** Keys of the pictures that are kept, for other threads. */
  readonly kept: SharedArrayBuffer;
  /** In the order of the pictures. */
  of(pictures: readonly Picture[]): Promise<ImageBatch>;
  close(): void;
}

const LIMIT = 2 ** 30; // bytes: as many pictures as fit are computed once, the others anew
const MOST = 2 ** 20; // pictures

/** Computes features a picture at a time, so that their last bits do not depend on what else is in a batch, and keeps the first GiB; all of them with a cache's folder, in 16 bits. */
export function createFeatureStore({ model, processor }: Student, cache: string | null): FeatureStore {
  const disk = cache === null ? undefined : openDiskFeatures(join(cache, "features"), { tower: model.tower });
  for (const notice of disk?.notices ?? []) note(notice);
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
        if (!(disk?.has(key) ?? false)) {
          if (pixels === null)
            throw new KdError(
              "KD_IO",
              `${cache}: features of picture ${key} are damaged; the same command computes them again`,
            );
          const computed = await computeFeatures(model, { kind: "pixels", data: pixels, shape: [1, size, size, 3] });
          if (disk === undefined) passing.add([key], computed);
          else disk.add([key], computed);
        }
        if (disk !== undefined) passing.add([key], disk.batch([key])); // as a later run reads it
        if (count < most) {
          kept.add([key], passing.batch([key]));
          count++;
        } else if (disk === undefined) continue;
        keys.add(key);
      }
      return passing.batch(pictures.map(({ key }) => key));
    },
    close: () => disk?.close(),
  };
}
