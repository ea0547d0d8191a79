import { type ImageBatch, KdError } from "@kd/contract";
import type { TiledPicture } from "@kd/mllm";
import type { OpenModel } from "./open-model.ts";

/** The pictures of a talk as a model reads them, in the order of their places. */
export interface Pictures {
  /** Visual tokens of each. */
  readonly tokens: readonly number[];
  /** Where each begins among the images: a picture in tiles is several. */
  readonly first: readonly number[];
  readonly images?: ImageBatch;
  /** Of a model that reads tiles. */
  readonly tiled?: readonly TiledPicture[];
}

/** Reads pictures. Throws `KD_DATA` naming a file, `KD_CONFIG` for a model that sees none. */
export async function readPictures({ folder, vision }: OpenModel, files: readonly string[]): Promise<Pictures> {
  if (files.length === 0) return { tokens: [], first: [] };
  if (vision === undefined)
    throw new KdError("KD_CONFIG", `${folder}: a language model sees no pictures; use a LLaVA folder`);
  const { size } = vision.processor;
  const read = await Promise.all(files.map((file) => vision.processor.picture(file)));
  const all = read.flatMap(({ images }) => images);
  const data = new Float32Array(all.length * size * size * 3);
  for (const [i, pixels] of all.entries()) data.set(pixels, i * pixels.length);
  const before = (i: number): number => read.slice(0, i).reduce((sum, { images }) => sum + images.length, 0);
  const tiled = read.flatMap((picture) => picture.tiled ?? []);
  return {
    tokens: read.map(({ tokens }) => tokens),
    first: read.map((_, i) => before(i)),
    images: { kind: "pixels", data, shape: [all.length, size, size, 3] },
    ...(tiled.length === 0 ? {} : { tiled }),
  };
}
