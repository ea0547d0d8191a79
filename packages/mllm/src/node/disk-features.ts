import { KdError } from "@kd/contract";
import { packArrays, unpackArrays } from "@kd/disk-cache";
import { type DiskCache, openDiskCache } from "@kd/disk-cache/node";
import type { FeatureCache } from "../feature-cache.ts";

const FORMAT = "features of a frozen tower 1";

/** Features on disk, as a {@link FeatureCache}. */
export interface DiskFeatures
  extends FeatureCache,
    Pick<DiskCache, "folder" | "notices" | "size" | "hashes" | "close"> {
  /** `keyHash(prefix + key)` is among `hashes()` where there are features of that picture; other threads can look so, too. */
  readonly prefix: string;
  /** A batch of one; undefined where it is not there or damaged. One read, where `has` and `batch` are two. */
  find(key: string): FeaturesOf | undefined;
}

type FeaturesOf = Parameters<FeatureCache["add"]>[1];

/** Options of {@link openDiskFeatures}. */
export interface DiskFeaturesOptions {
  /** Hash of the tower and its processor, `model.tower`: features of another are not there. */
  readonly tower: string;
  /** How numbers are kept. @defaultValue "F16", half the size; largest error 2⁻¹¹ of a number */
  readonly dtype?: "F16" | "F32";
}

/**
 * The frozen tower's features in a folder, computed once for all stages and runs. Keys name an image's content: the SHA-256 of its bytes
 * (`contentHash` of `@kd/disk-cache/node`), and the view where there are several. What was just added is read back rounded, so that a first
 * and a second run see the same numbers. `createFeatureCache` in front of it (`memory.add(keys, disk.batch(keys))`) saves reading again.
 *
 * @throws KdError `KD_IO` as `openDiskCache`; `KD_DATA` for a batch's image that is not there, or features that F16 cannot hold.
 */
export function openDiskFeatures(folder: string, { tower, dtype = "F16" }: DiskFeaturesOptions): DiskFeatures {
  const disk = openDiskCache(folder, { format: FORMAT });
  const prefix = `${tower} ${dtype} `;
  const nameOf = (key: string): string => prefix + key;
  const { notices, size, hashes, close } = disk;
  const read = (key: string) => {
    const bytes = disk.get(nameOf(key));
    if (bytes === undefined) return undefined;
    const [row] = unpackArrays(bytes, folder);
    if (row === undefined || row.dtype === "I32" || row.shape.length !== 2)
      throw new KdError("KD_DATA", `${folder}: image "${key}" holds no features; remove the folder`);
    return { data: row.data, shape: row.shape as readonly [number, number] };
  };
  return {
    folder,
    tower,
    prefix,
    notices,
    size,
    hashes,
    close,
    find: (key) => {
      const row = read(key);
      return row && { kind: "features", data: row.data, shape: [1, ...row.shape], tower };
    },
    has: (key) => disk.get(nameOf(key)) !== undefined, // read and checked: a damaged one must be computed again
    add: (keys, features) => {
      if (features.tower !== tower)
        throw new KdError(
          "KD_CONFIG",
          `${folder}: holds features of tower ${tower.slice(0, 12)}…, got some of ${features.tower.slice(0, 12)}…; open it for that tower`,
        );
      const [, tokens, width] = features.shape;
      const part = (i: number) => features.data.subarray(i * tokens * width, (i + 1) * tokens * width);
      disk.add(
        keys.map((key, i) => [nameOf(key), packArrays([{ dtype, shape: [tokens, width], data: part(i) }], folder)]),
      );
    },
    batch: (keys) => {
      let [shape, data] = [[0, 0] as readonly [number, number], new Float32Array()];
      for (const [i, key] of keys.entries()) {
        const row = read(key);
        if (row === undefined)
          throw new KdError("KD_DATA", `${folder}: no features of image "${key}"; fill it with cacheFeatures`);
        if (i === 0) [shape, data] = [row.shape, new Float32Array(keys.length * row.data.length)];
        if (row.shape.join() !== shape.join())
          throw new KdError("KD_SHAPE", `${folder}: image "${key}" has [${row.shape}] features, others [${shape}]`);
        data.set(row.data, i * row.data.length);
      }
      return { kind: "features", data, shape: [keys.length, ...shape], tower };
    },
  };
}
