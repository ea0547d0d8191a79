import { KdError } from "@kd/contract";

/** Eight-bit RGB pixels, `[height, width, 3]`. */
export interface RgbImage {
  readonly data: Uint8Array;
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
}

/** 16,384 × 16,384: 805 MB of RGB. */
const MOST_PIXELS = 2 ** 28;

/** Throws `KD_DATA` for pixels that would not fit: a thread of a picture makes a huge square, or a huge one of its shorter edge. */
export function checkPixels(where: string, width: number, height: number): void {
  if (width * height > MOST_PIXELS)
    throw new KdError(
      "KD_DATA",
      `${where}: expected at most ${MOST_PIXELS} pixels on the way, got ${width}x${height}; crop the picture first, it is too long for its width`,
    );
}
