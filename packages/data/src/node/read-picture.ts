import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import sharp from "sharp";
import type { RgbImage } from "../image.ts";
import type { SourceRecord } from "../source.ts";
import { asDataError } from "./data-error.ts";
import { insideFolder } from "./inside-folder.ts";

/** Larger pictures are refused by their header, before they are decoded: 100 million pixels, 300 MB of RGB. */
const MAX_PIXELS = 100_000_000;

/** An encoded picture of a record. */
export interface PictureBytes {
  /** Record and name, for errors. */
  readonly where: string;
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes: what caches go by. */
  readonly sha256: string;
}

/** The bytes of one of a record's pictures: out of the file that held the record, or out of its image folder. Throws `KD_DATA`. */
export async function pictureBytes(record: SourceRecord, image: string): Promise<PictureBytes> {
  const { where: from, pictures, imageFolder = ".", linkedFolders = [] } = record;
  const inside = pictures?.get(image);
  const where = `${from} image ${JSON.stringify(image.slice(0, 200))}`;
  try {
    const bytes = inside ?? (await readFile(await insideFolder(imageFolder, image, { where: from, linkedFolders })));
    return { where, bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
  } catch (error) {
    throw asDataError(error, where, "expected a file that can be read, got %s; restore it or remove the record");
  }
}

/** Decodes bytes as `readImage` decodes files: 8-bit RGB, alpha dropped, no turning. Throws `KD_DATA`. */
export async function decodePicture({ bytes, where }: PictureBytes): Promise<RgbImage> {
  try {
    const opened = sharp(bytes, { failOn: "error", limitInputPixels: MAX_PIXELS });
    const rgb = opened.toColourspace("srgb").removeAlpha().raw({ depth: "uchar" });
    const { data, info } = await rgb.toBuffer({ resolveWithObject: true });
    return { data: new Uint8Array(data), width: info.width, height: info.height };
  } catch (error) {
    throw asDataError(
      error,
      where,
      "expected a picture of at most 100 million pixels that can be decoded, got %s; replace or remove it",
    );
  }
}
