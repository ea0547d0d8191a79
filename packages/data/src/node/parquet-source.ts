import { open } from "node:fs/promises";
import { stampOf } from "./file-stamp.ts";
import { indexPath, readIndexFile, writeIndexFile } from "./index-file.ts";
import { indexPacked } from "./packed-record.ts";
import { openRecords } from "./records-source.ts";
import type { DiskSource, ImagePlace } from "./source-handle.ts";
import { unpackParquet } from "./unpack-parquet.ts";
import { unpackedFile } from "./unpacked-file.ts";

/**
 * A Parquet file with LLaVA's columns. Its rows are unpacked once beside it (or into `indexFolder`), about as large as its pictures: records are read in
 * any order, and a row group of Parquet can be read only as a whole. Throws `KD_DATA`.
 */
export async function openParquet(
  path: string,
  options: ImagePlace & { name: string; indexFolder?: string | undefined },
): Promise<DiskSource> {
  const { name, indexFolder: folder, ...place } = options;
  const unpack = (aside: string): Promise<void> => unpackParquet(path, aside, { name });
  const unpacked = await unpackedFile(path, { name, folder, unpack });
  const file = await open(unpacked, "r");
  try {
    const stamp = await stampOf(file);
    const beside = indexPath(unpacked);
    let stored = await readIndexFile(beside, stamp, "unpacked");
    if (stored === undefined) {
      stored = await indexPacked(file, name);
      await writeIndexFile(beside, stored, { stamp, format: "unpacked" });
    }
    const fingerprint = `${stamp.ends}-${stored.content}`;
    return await openRecords({
      kind: "records",
      name,
      fingerprint,
      text: unpacked,
      index: stored.index.buffer,
      packed: true,
      ...place,
    });
  } finally {
    await file.close();
  }
}
