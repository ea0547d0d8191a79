import { join } from "node:path";
import { contentHash } from "@kd/disk-cache/node";
import { createFeatureCache, type FeatureCache, type Llava } from "@kd/mllm";
import { openDiskFeatures } from "@kd/mllm/node";
import type { Gallery } from "../data/gallery.ts";
import { drawingsOf } from "../data/scenes.ts";
import { addFeatures, viewKey } from "../model/features.ts";
import { CACHE_FOLDER } from "./cache-folder.ts";

const VERSION = 1; // raise when the views of the same pictures change
const CHUNK = 512;

/** Images with the number of views that each needs. */
export type Wanted = readonly { readonly images: readonly string[]; readonly views: number }[];

/**
 * Features of the frozen tower, computed once and kept in half precision under keys made of the tower's hash, the drawings' pixels and the view.
 * They are read back even when just computed, so that a first and a second run see the same numbers. Each set of images has a folder of its
 * own and is computed whole: a picture's last bits depend on those that it is computed with, and must not depend on what ran before.
 */
export async function openFeatures(options: {
  model: Llava;
  gallery: Gallery;
  wanted: Wanted;
  onProgress?: (done: number, total: number) => void;
}): Promise<FeatureCache> {
  const { model, gallery, wanted, onProgress } = options;
  const keys = [...new Set(wanted.flatMap(({ images, views }) => images.flatMap((image) => viewsOf(image, views))))];
  const contentOf = contentKeys(gallery);
  const folder = join(CACHE_FOLDER, "features", contentHash(keys.map(contentOf)).slice(0, 16));
  const disk = openDiskFeatures(folder, { tower: model.tower });
  const kept = createFeatureCache(model.tower);
  try {
    const missing = keys.filter((key) => !disk.has(contentOf(key)));
    if (missing.length > 0) {
      const made = createFeatureCache(model.tower);
      for (const { images, views } of wanted)
        await addFeatures(made, { model, gallery, images, views, ...(onProgress ? { onProgress } : {}) });
      for (const chunk of chunks(missing)) disk.add(chunk.map(contentOf), made.batch(chunk));
    }
    for (const chunk of chunks(keys)) kept.add(chunk, disk.batch(chunk.map(contentOf)));
  } finally {
    disk.close();
  }
  return kept;
}

const chunks = (keys: readonly string[]): string[][] =>
  Array.from({ length: Math.ceil(keys.length / CHUNK) }, (_, i) => keys.slice(i * CHUNK, (i + 1) * CHUNK));

const viewsOf = (image: string, views: number): string[] =>
  Array.from({ length: views }, (_, view) => viewKey(image, view));

/** From a view's name to what its pixels are made of: the drawings, and the name, which seeds the augmentation. */
function contentKeys(gallery: Gallery): (key: string) => string {
  const drawings = new Map<string, string>();
  const keys = new Map<string, string>();
  const hashOf = (image: string): string =>
    drawingsOf(gallery, image)
      .map((picture) => {
        if (picture === null) return "";
        const known = drawings.get(picture.id) ?? contentHash([picture.rgba]);
        drawings.set(picture.id, known);
        return known;
      })
      .join();
  return (key) => {
    const known = keys.get(key) ?? contentHash([`views ${VERSION}`, key, hashOf(key.slice(0, key.lastIndexOf("#")))]);
    keys.set(key, known);
    return known;
  };
}
