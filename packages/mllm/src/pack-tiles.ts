import { KdError } from "@kd/contract";
import type { LlavaConfig } from "./config.ts";
import { visualTokens } from "./visual-tokens.ts";

/** A picture that is read as a whole and in a grid of tiles. */
export interface TiledPicture {
  /** Of the picture itself, in pixels. */
  readonly height: number;
  readonly width: number;
  /** Of its grid, in tiles; its images are the whole and rows · columns tiles in reading order. */
  readonly rows: number;
  readonly columns: number;
}

/** Stands for `image_newline` among {@link packedRows}. */
export const NEWLINE = -1;

/**
 * Where a picture's visual tokens come from, as `LlavaNextForConditionalGeneration` packs them: the whole picture, then the grid's rows without
 * the padding that its shape left, each with {@link NEWLINE} after it. Numbers count the rows of the picture's own images, one after another.
 */
export function packedRows({ height, width, rows, columns }: TiledPicture, config: LlavaConfig): number[] {
  const tokens = visualTokens(config);
  const side = Math.floor(config.vision_config.image_size / config.vision_config.patch_size);
  const [across, down] = [columns * side, rows * side];
  let [left, top] = [0, 0];
  if (width / height > across / down) top = Math.floor((down - rounded(height * (across / width))) / 2);
  else left = Math.floor((across - rounded(width * (down / height))) / 2);
  const packed = Array.from({ length: tokens }, (_, i) => i);
  for (let y = top; y < down - top; y++) {
    for (let x = left; x < across - left; x++) {
      const tile = 1 + Math.floor(y / side) * columns + Math.floor(x / side);
      packed.push(tile * tokens + (y % side) * side + (x % side));
    }
    packed.push(NEWLINE);
  }
  return packed;
}

/** Python's `int(round(x, 7))`. */
const rounded = (x: number): number => Math.trunc(Number(x.toFixed(7)));

/** Visual tokens that a picture takes in a model that reads tiles. */
export const tiledTokens = (picture: TiledPicture, config: LlavaConfig): number => packedRows(picture, config).length;

/** Throws `KD_CONFIG` where an image's tokens are no square of patches, which a grid is made of. */
export function checkTiles(config: LlavaConfig, where: string): void {
  const { image_size, patch_size } = config.vision_config;
  const side = Math.floor(image_size / patch_size);
  if (visualTokens(config) !== side * side)
    throw new KdError(
      "KD_CONFIG",
      `${where}: expected ${side} × ${side} tokens a tile, got ${visualTokens(config)}; vision_feature_select_strategy must be "default" for CLIP, which drops its class token, and "full" for SigLIP`,
    );
}
