import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { SourceRecord } from "../source.ts";
import { asDataError } from "./data-error.ts";
import { insideFolder } from "./inside-folder.ts";

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
