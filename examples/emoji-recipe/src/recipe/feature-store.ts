import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KdError } from "@kd/contract";
import { createFeatureCache, type FeatureCache, type Llava } from "@kd/mllm";
import { toFloat32 } from "@kd/safetensors";
import { readSafetensors, writeSafetensors } from "@kd/safetensors/node";
import type { Gallery } from "../data/gallery.ts";
import { addFeatures, viewKey } from "../model/features.ts";
import { IMAGE_TOKENS } from "../model/text.ts";

const FOLDER = fileURLToPath(new URL("../../../../.cache/emoji", import.meta.url));
const VERSION = 1; // raise when the views of the same images change

/** Images with the number of views that each needs. */
export type Wanted = readonly { readonly images: readonly string[]; readonly views: number }[];

/**
 * Features of the frozen tower, computed once and kept in half precision under a name made of the tower's hash and the images. They are
 * read back even when just computed, so that a first and a second run see the same numbers.
 */
export async function openFeatures(options: {
  model: Llava;
  gallery: Gallery;
  wanted: Wanted;
  onProgress?: (done: number, total: number) => void;
}): Promise<FeatureCache> {
  const { model, gallery, wanted, onProgress } = options;
  const keys = keysOf(wanted);
  const path = featurePath(model.tower, keys);
  if (!existsSync(path)) {
    const made = createFeatureCache(model.tower);
    for (const { images, views } of wanted)
      await addFeatures(made, { model, gallery, images, views, ...(onProgress ? { onProgress } : {}) });
    const { data, shape } = made.batch(keys);
    await mkdir(FOLDER, { recursive: true });
    await writeSafetensors(path, [["features", { dtype: "F16", shape: [...shape], data }]], { tower: model.tower });
  }
  return readFeatures(path, model.tower, keys);
}

async function readFeatures(path: string, tower: string, keys: readonly string[]): Promise<FeatureCache> {
  const stored = (await readSafetensors(path)).tensors.get("features");
  const [count, tokens, width] = stored?.shape ?? [];
  if (stored === undefined || count !== keys.length || tokens !== IMAGE_TOKENS || width === undefined)
    throw new KdError(
      "KD_DATA",
      `${path}: expected features of ${keys.length} images, got [${stored?.shape.join(", ") ?? ""}]; remove the file`,
    );
  const cache = createFeatureCache(tower);
  cache.add(keys, { kind: "features", data: toFloat32(stored), shape: [count, tokens, width], tower });
  return cache;
}

function keysOf(wanted: Wanted): string[] {
  const keys = wanted.flatMap(({ images, views }) =>
    images.flatMap((image) => Array.from({ length: views }, (_, view) => viewKey(image, view))),
  );
  return [...new Set(keys)].sort();
}

function featurePath(tower: string, keys: readonly string[]): string {
  const name = createHash("sha256")
    .update(JSON.stringify([VERSION, tower, keys]))
    .digest("hex")
    .slice(0, 16);
  return join(FOLDER, `features-${name}.safetensors`);
}
