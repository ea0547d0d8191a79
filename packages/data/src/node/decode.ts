import { KdError } from "@kd/contract";
import sharp from "sharp";
import type { RgbImage } from "../image.ts";

/** Decodes an image file to 8-bit RGB: alpha dropped, palette and grey expanded. `exif` (default false, as LLaVA) applies the orientation. Throws `KD_DATA`. */
export async function readImage(path: string, { exif = false }: { exif?: boolean } = {}): Promise<RgbImage> {
  try {
    const opened = sharp(path, { autoOrient: exif, failOn: "error" });
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
