import { readFile } from "node:fs/promises";
import { KdError } from "@kd/contract";
import sharp from "sharp";
import type { RgbImage } from "../image.ts";

/** How {@link readImage} reads. */
export interface ReadImage {
  /** Apply the orientation that a camera wrote, as Transformers' `load_image`. @defaultValue false, as LLaVA */
  readonly exif?: boolean;
  /** Colour behind transparent pixels. @defaultValue none: alpha is dropped, as Pillow's `convert("RGB")` */
  readonly background?: string;
  /** Most pixels of a picture, checked in its header before anything is decoded. @defaultValue 89,478,485, Pillow's limit (268 MB of RGB) */
  readonly maxPixels?: number;
  /** Draw SVG files, too; they see no other file. @defaultValue false: training data has photos */
  readonly svg?: boolean;
  /** Names bytes in errors. @defaultValue "image" */
  readonly name?: string;
}

const PHOTOS = ["jpeg", "png", "webp", "gif", "tiff", "heif"];

/** Pillow's CMYK → RGB, which no colour profile takes part in. */
function fromCmyk(data: Uint8Array): Uint8Array {
  const out = new Uint8Array((data.length / 4) * 3);
  for (let i = 0, o = 0; i < data.length; i += 4)
    for (let c = 0; c < 3; c++) {
      const light = 255 - (data[i + 3] as number);
      const product = (data[i + c] as number) * light + 128;
      out[o++] = Math.max(0, light - (((product >> 8) + product) >> 8));
    }
  return out;
}

async function decode(
  source: Uint8Array,
  options: Required<Omit<ReadImage, "background" | "name">>,
  background?: string,
) {
  const opened = sharp(source, {
    autoOrient: options.exif,
    failOn: "error",
    ignoreIcc: true, // as Pillow: levels as they are stored
    limitInputPixels: options.maxPixels,
  });
  const { format, space, width, height } = await sharp(source, { limitInputPixels: false }).metadata();
  if (!PHOTOS.includes(format) && !(format === "svg" && options.svg)) throw new Error(`${format}`);
  if (width * height > options.maxPixels)
    throw new Error(`${width}x${height} pixels, where at most ${options.maxPixels} are decoded (maxPixels)`);
  if (space === "cmyk") opened.pipelineColourspace("cmyk").toColourspace("cmyk");
  else {
    if (background !== undefined) opened.flatten({ background });
    opened.toColourspace("srgb").removeAlpha();
  }
  const { data, info } = await opened.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  const pixels = space === "cmyk" ? fromCmyk(data) : new Uint8Array(data);
  return { data: pixels, width: info.width, height: info.height };
}

/**
 * Decodes an image file, or its bytes, to 8-bit RGB as Pillow does: palette, grey and CMYK expanded, of 16 bits the high byte, of an animation the first frame,
 * colour profiles ignored. What a file is decides its content, not its name. Throws `KD_DATA` with the file and the reason.
 */
export async function readImage(image: string | Uint8Array, options: ReadImage = {}): Promise<RgbImage> {
  const { exif = false, background, maxPixels = 89_478_485, svg = false } = options;
  try {
    // Bytes, not a name: libvips remembers WebP files by name when they have changed, and from memory an SVG has no folder to read others from.
    const source = typeof image === "string" ? await readFile(image) : image;
    return await decode(source, { exif, maxPixels, svg }, background);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KdError(
      "KD_DATA",
      `${typeof image === "string" ? image : (options.name ?? "image")}: expected an image that can be decoded (${PHOTOS.join(", ")}), got ${reason}; convert or remove the file`,
      { cause },
    );
  }
}
