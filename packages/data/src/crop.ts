import type { RgbImage } from "./image.ts";

interface Size {
  readonly width: number;
  readonly height: number;
}

/** The part of an image from (left, top) on; black where the image does not reach. */
export function cropAt(image: RgbImage, { left, top, width, height }: Size & { left: number; top: number }): RgbImage {
  const data = new Uint8Array(width * height * 3);
  const from = Math.max(0, left);
  const to = Math.min(image.width, left + width);
  for (let y = Math.max(0, top); from < to && y < Math.min(image.height, top + height); y++) {
    const row = image.data.subarray((y * image.width + from) * 3, (y * image.width + to) * 3);
    data.set(row, ((y - top) * width + from - left) * 3);
  }
  return { data, width, height };
}

/** Transformers' `center_crop`: black around what is too small, with the odd pixel left and above. */
export function centerCrop(image: RgbImage, { width, height }: Size): RgbImage {
  if (image.width === width && image.height === height) return image;
  return cropAt(image, {
    left: Math.floor((image.width - width) / 2),
    top: Math.floor((image.height - height) / 2),
    width,
    height,
  });
}
