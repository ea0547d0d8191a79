import { KdError } from "@kd/contract";
import sharp from "sharp";
import type { RgbImage } from "../image.ts";

/** How {@link readImage} reads. */
export interface ReadImage {
  /** Apply the orientation that a camera wrote. @defaultValue false, as LLaVA */
  readonly exif?: boolean;
  /** Colour behind transparent pixels. @defaultValue none: alpha is dropped, as Pillow's `convert("RGB")` */
  readonly background?: string;
}

/** Decodes an image file to 8-bit RGB, palette and grey expanded. Throws `KD_DATA`. */
export async function readImage(path: string, { exif = false, background }: ReadImage = {}): Promise<RgbImage> {
  try {
    const opened = sharp(path, { autoOrient: exif, failOn: "error" });
    if (background !== undefined) opened.flatten({ background });
    const { data, info } = await opened
      .toColourspace("srgb")
      .removeAlpha()
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return { data: new Uint8Array(data), width: info.width, height: info.height };
  } catch (cause) {
    throw new KdError(
      "KD_DATA",
      `${path}: expected an image that can be decoded, got ${String(cause)}; replace or remove the file`,
      { cause },
    );
  }
}
