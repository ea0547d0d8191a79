import { computeFeatures, type FeatureCache, type Llava } from "@kd/mllm";
import { createRng } from "@kd/tensor-core";
import { augment, augmentScene, plainPixels, scenePixels } from "../data/augment.ts";
import type { Gallery } from "../data/gallery.ts";
import { PIXELS } from "../data/rasterise.ts";
import { drawingsOf } from "../data/scenes.ts";

const SEED = 11;
const CHUNK = 64;

/** Key of one view of an image: 0 as it is, 1… weakly augmented. */
export const viewKey = (image: string, view: number): string => `${image}#${view}`;

/** Adds `views` views of each image (the plain one among them) to a cache of the frozen tower's features, where they are missing. */
export async function addFeatures(
  cache: FeatureCache,
  options: {
    model: Llava;
    gallery: Gallery;
    images: readonly string[];
    views: number;
    onProgress?: (done: number, total: number) => void;
  },
): Promise<void> {
  const { model, gallery, images, views, onProgress } = options;
  const wanted = [...new Set(images)].flatMap((image) => Array.from({ length: views }, (_, view) => ({ image, view })));
  const missing = wanted.filter(({ image, view }) => !cache.has(viewKey(image, view)));
  const size = PIXELS * PIXELS * 3;
  for (let start = 0; start < missing.length; start += CHUNK) {
    const chunk = missing.slice(start, start + CHUNK);
    const data = new Float32Array(chunk.length * size);
    for (const [i, { image, view }] of chunk.entries()) data.set(pixelsOf(gallery, image, view), i * size);
    const features = await computeFeatures(model, { kind: "pixels", data, shape: [chunk.length, PIXELS, PIXELS, 3] });
    cache.add(
      chunk.map(({ image, view }) => viewKey(image, view)),
      features,
    );
    onProgress?.(Math.min(start + CHUNK, missing.length), missing.length);
  }
}

/** The same view of an image has the same pixels in every run. */
function pixelsOf(gallery: Gallery, image: string, view: number): Float32Array {
  const drawings = drawingsOf(gallery, image);
  const rng = createRng(SEED).fork(viewKey(image, view));
  const [first] = drawings;
  if (drawings.length > 1) return view === 0 ? scenePixels(drawings) : augmentScene(drawings, rng);
  if (!first) throw new Error(`no drawing of ${image}`); // drawingsOf never gives an empty picture
  return view === 0 ? plainPixels(first) : augment(first, rng);
}
