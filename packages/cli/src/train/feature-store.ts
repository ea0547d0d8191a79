import { join } from "node:path";
import type { ImageBatch } from "@kd/contract";
import { computeFeatures, createFeatureCache } from "@kd/mllm";
import { type DiskFeatures, openDiskFeatures } from "@kd/mllm/node";
import { note } from "../terminal.ts";
import { type KeptMemory, keptKeys, keysMemory } from "./kept-keys.ts";
import type { Picture } from "./step-encoder.ts";
import type { Student } from "./student.ts";

/** Features of pictures by the frozen tower that teacher and student share. */
export interface FeatureStore {
  /** Keys of the pictures that are kept, for other threads. */
  readonly kept: KeptMemory;
  /** In the order of the pictures. */
  of(pictures: readonly Picture[]): Promise<ImageBatch>;
  close(): void;
}

const LIMIT = 2 ** 30; // bytes: as many pictures as fit are computed once, the others anew
const ON_DISK = 2 ** 20; // pictures that other threads know of: 32 MiB; beyond them a picture is decoded, though its features are there

/** Computes features a picture at a time, so that their last bits do not depend on what else is in a batch, and keeps the first GiB; all of them with a cache's folder, in 16 bits. */
export function createFeatureStore({ model, processor }: Student, cache: string | null): FeatureStore {
  const disk = cache === null ? undefined : openDiskFeatures(join(cache, "features"), { tower: model.tower });
  for (const notice of disk?.notices ?? []) note(notice);
  const { size, tokens } = processor;
  const most = Math.floor(LIMIT / (tokens * model.config.vision_config.hidden_size * 4));
  const keys = keptKeys(disk === undefined ? keysMemory(most) : keysMemory(ON_DISK, disk.prefix));
  for (const hash of disk?.hashes() ?? []) if (!keys.addHash(hash)) break;
  const kept = createFeatureCache(model.tower);
  let count = 0;
  const compute = async ({ pixels }: Picture) => {
    const data =
      pixels instanceof Float32Array ? pixels : ((await processor.picture(pixels)).images[0] as Float32Array);
    return computeFeatures(model, { kind: "pixels", data, shape: [1, size, size, 3] });
  };
  /** From the disk, where damaged ones are not there; what is computed is read back, as a later run reads it. */
  const fromDisk = async (disk: DiskFeatures, picture: Picture) => {
    const found = disk.find(picture.key);
    if (found !== undefined) return found;
    disk.add([picture.key], await compute(picture));
    return disk.batch([picture.key]);
  };
  return {
    kept: keys.memory,
    of: async (pictures) => {
      const passing = createFeatureCache(model.tower);
      for (const picture of pictures) {
        const { key } = picture;
        if (passing.has(key)) continue;
        if (kept.has(key)) {
          passing.add([key], kept.batch([key]));
          continue;
        }
        const features = disk === undefined ? await compute(picture) : await fromDisk(disk, picture);
        passing.add([key], features);
        if (count < most) {
          kept.add([key], features);
          count++;
        } else if (disk === undefined) continue;
        keys.add(key);
      }
      return passing.batch(pictures.map(({ key }) => key));
    },
    close: () => disk?.close(),
  };
}
