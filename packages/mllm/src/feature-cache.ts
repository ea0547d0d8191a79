import { type ImageBatch, KdError } from "@kd/contract";
import { imageFeatures } from "./image-features.ts";
import type { Llava } from "./llava.ts";

type Pixels = Extract<ImageBatch, { kind: "pixels" }>;
type Features = Extract<ImageBatch, { kind: "features" }>;

/** Features of many images by the frozen tower, `chunk` at a time. */
export async function computeFeatures(
  model: Llava,
  images: Pixels,
  { chunk = 64 }: { readonly chunk?: number } = {},
): Promise<Features> {
  const [count, height, width, channels] = images.shape;
  const size = height * width * channels;
  const parts: Float32Array[] = [];
  let shape: [number, number, number] = [0, 0, 0];
  for (let start = 0; start < count; start += chunk) {
    const n = Math.min(chunk, count - start);
    const data = images.data.subarray(start * size, (start + n) * size);
    const features = imageFeatures({ ...model, images: { kind: "pixels", data, shape: [n, height, width, channels] } });
    parts.push((await features.data()) as Float32Array);
    shape = [count, features.shape[1], features.shape[2]];
    features.dispose();
  }
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    data.set(part, offset);
    offset += part.length;
  }
  return { kind: "features", data, shape, tower: model.tower };
}

/** Features by image key, computed once: the tower is frozen and shared by teacher and student. */
export interface FeatureCache {
  /** Hash of the tower whose features it holds. */
  readonly tower: string;
  has(key: string): boolean;
  /** Takes over the features of one batch under one key an image. */
  add(keys: readonly string[], features: Features): void;
  /** A batch's images in the order of the keys. */
  batch(keys: readonly string[]): Features;
}

/** An empty in-memory cache for the features of one tower. */
export function createFeatureCache(tower: string): FeatureCache {
  const rows = new Map<string, Float32Array>();
  let shape: readonly [number, number] = [0, 0];
  return {
    tower,
    has: (key) => rows.has(key),
    add: (keys, features) => {
      if (features.tower !== tower) throw otherTower(features.tower, tower);
      shape = [features.shape[1], features.shape[2]];
      const size = shape[0] * shape[1];
      for (const [i, key] of keys.entries()) rows.set(key, features.data.subarray(i * size, (i + 1) * size));
    },
    batch: (keys) => {
      const size = shape[0] * shape[1];
      const data = new Float32Array(keys.length * size);
      for (const [i, key] of keys.entries()) {
        const row = rows.get(key);
        if (row === undefined) throw new KdError("KD_DATA", `feature cache: no image "${key}"; add its features first`);
        data.set(row, i * size);
      }
      return { kind: "features", data, shape: [keys.length, ...shape], tower };
    },
  };
}

const otherTower = (got: string, expected: string): KdError =>
  new KdError(
    "KD_CONFIG",
    `feature cache: holds features of tower ${expected.slice(0, 12)}…, got some of ${got.slice(0, 12)}…`,
  );
