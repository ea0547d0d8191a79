import { KdError } from "@kd/contract";
import { bestGrid, gridTiles } from "./anyres.ts";
import { centerCrop } from "./crop.ts";
import type { RgbImage } from "./image.ts";
import { levelTable, lookUp } from "./normalize.ts";
import { type AspectRatio, type ProcessorSettings, parseProcessorConfig } from "./processor-config.ts";
import { resize } from "./resize.ts";
import { padSquare } from "./siglip.ts";

/** Pictures to what a vision tower takes. */
export interface ImageProcessor {
  /** Of every output, in pixels. */
  readonly size: { readonly height: number; readonly width: number };
  /** All settings in one line, for the hash of a feature cache: equal ids make equal pixels. */
  readonly id: string;
  /** `[height, width, 3]` normalised, channels last. With `anyres` the whole picture, the first of its tiles. */
  pixels(image: RgbImage): Float32Array;
  /** One picture as the images that the model sees: itself, or with `anyres` the whole and then the tiles of the best grid in reading order. */
  tiles(image: RgbImage): Float32Array[];
  /** The grid of tiles that a picture of this size is read in besides the whole; undefined where it is read as one. */
  grid(image: {
    readonly width: number;
    readonly height: number;
  }): { readonly rows: number; readonly columns: number } | undefined;
  /** How many {@link tiles} a picture of this size becomes, for `encodeConversation`. */
  tileCount(image: { readonly width: number; readonly height: number }): number;
}

/** What a folder's file may leave open. */
export interface ImageProcessorOptions {
  /** LLaVA's `image_aspect_ratio`. @defaultValue what the file says (`do_pad`, `image_grid_pinpoints`), else "square" */
  readonly aspectRatio?: AspectRatio | undefined;
  /** `[height, width]` of grids for `anyres`, multiples of the size. @defaultValue the file's, else LLaVA-1.6's five: 1×2, 2×1, 2×2, 3×1, 1×3 tiles */
  readonly gridPinpoints?: ProcessorSettings["gridPinpoints"];
  /** Names the configuration in errors. @defaultValue "preprocessor_config.json" */
  readonly file?: string;
}

function resized(image: RgbImage, { resize: to, filter }: ProcessorSettings): RgbImage {
  if (to === undefined) return image;
  if ("height" in to) return resize(image, { ...to, filter });
  const { width, height } = image;
  const long = Math.trunc((to.shortestEdge * Math.max(width, height)) / Math.min(width, height));
  return resize(image, {
    width: width <= height ? to.shortestEdge : long,
    height: width <= height ? long : to.shortestEdge,
    filter,
  });
}

/**
 * Reads a parsed `preprocessor_config.json` of SigLIP, CLIP, LLaVA or LLaVA-NeXT (and their Fast forms, whose own resize differs by single levels).
 * Throws `KD_CONFIG`.
 */
export function imageProcessor(config: object, options: ImageProcessorOptions = {}): ImageProcessor {
  const { file = "preprocessor_config.json", aspectRatio, gridPinpoints } = options;
  const settings = parseProcessorConfig(config, { file, aspectRatio, gridPinpoints });
  const { resize: to, crop, filter, background } = settings;
  const base = to !== undefined && "shortestEdge" in to ? { height: to.shortestEdge, width: to.shortestEdge } : to;
  const size = (crop ?? base) as { height: number; width: number }; // parsing made sure of one
  const grids = settings.gridPinpoints ?? [];
  if (grids.some(([height, width]) => height % size.height || width % size.width))
    throw new KdError(
      "KD_CONFIG",
      `${file}: expected image_grid_pinpoints that are multiples of ${size.height}x${size.width}, got ${JSON.stringify(grids)}; pass gridPinpoints`,
    );
  const table = levelTable(settings);
  const finish = (image: RgbImage): Float32Array => lookUp((crop ? centerCrop(image, crop) : image).data, table);
  const pixels = (image: RgbImage): Float32Array => {
    if (background) return finish(resized(padSquare(image, { level: background }), settings));
    if (settings.aspectRatio === "anyres" && base) return finish(resize(image, { ...base, filter }));
    return finish(resized(image, settings));
  };
  const gridOf = (image: { readonly width: number; readonly height: number }) => {
    if (settings.aspectRatio !== "anyres") return undefined;
    const [height, width] = bestGrid(image, grids);
    return { rows: height / size.height, columns: width / size.width };
  };
  return {
    size,
    id: `kd-image-1:${JSON.stringify(settings)}`,
    pixels,
    tiles: (image) => {
      if (settings.aspectRatio !== "anyres") return [pixels(image)];
      const tiles = gridTiles(image, bestGrid(image, grids), { ...size, filter });
      return [pixels(image), ...tiles.map((tile) => lookUp(tile.data, table))];
    },
    grid: gridOf,
    tileCount: (image) => {
      const { rows, columns } = gridOf(image) ?? { rows: 0, columns: 0 };
      return 1 + rows * columns;
    },
  };
}
