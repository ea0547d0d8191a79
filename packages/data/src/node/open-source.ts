import { readdir, realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asDataError, dataError } from "./data-error.ts";
import { openFolder } from "./folder-source.ts";
import { openJson } from "./json-source.ts";
import { openParquet } from "./parquet-source.ts";
import { openRecords } from "./records-source.ts";
import { severalSources } from "./several-sources.ts";
import type { DiskSource, ImagePlace, SourceHandle } from "./source-handle.ts";
import { unpackGzip } from "./unpack-gzip.ts";

/** How {@link openSource} opens. */
export interface OpenSource extends Partial<ImagePlace> {
  /** For logs and errors. @defaultValue the path as given */
  readonly name?: string;
  /** Where indices and unpacked files go when not beside the data, as for a folder that cannot be written; made where it is missing. */
  readonly indexFolder?: string;
}

/** Parquet files of a folder in the order of their names. Throws where they are of several splits, as the hub keeps them: their mixture would be a leak. */
async function shardsOf(folder: string, name: string): Promise<string[]> {
  const shards = (await readdir(folder)).filter((file) => file.endsWith(".parquet")).sort();
  const splits = new Set(
    shards.flatMap((file) => /^(train|test|val|valid|validation|dev|eval)[-_.]/i.exec(file)?.[1] ?? []),
  );
  if (splits.size > 1)
    throw dataError(
      name,
      `expected Parquet files of one split, got ${[...splits].join(", ")}; move each to a folder of its own, or name the files`,
    );
  return shards;
}

/** One after another, since unpacking one fills memory with a row group; those that are open are closed when one fails. */
async function openShards(
  shards: readonly string[],
  open: (shard: string) => Promise<DiskSource>,
): Promise<DiskSource[]> {
  const parts: DiskSource[] = [];
  try {
    for (const shard of shards) parts.push(await open(shard));
    return parts;
  } catch (error) {
    await Promise.all(parts.map((part) => part.close()));
    throw error;
  }
}

/**
 * Opens data as they are found, by what the path is: a LLaVA JSON array of any size, JSON lines, either of them gzipped (`.gz`), Parquet, a folder of
 * Parquet files, a folder of pictures and captions. Pictures are looked for beside the file unless `imageFolder` says otherwise.
 *
 * @throws KdError `KD_DATA` when there is nothing that can be read
 */
export async function openSource(path: string, options: OpenSource = {}): Promise<DiskSource> {
  const { name = path, indexFolder, linkedFolders = [] } = options;
  try {
    const real = await realpath(path);
    if ((await stat(real)).isDirectory()) {
      const place = { imageFolder: options.imageFolder ?? real, linkedFolders };
      const shards = await shardsOf(real, name);
      if (shards.length === 0) return await openFolder(real, { name, ...place });
      return await openShards(shards, (shard) =>
        openParquet(join(real, shard), { name: join(name, shard), indexFolder, ...place }),
      ).then((parts) => severalSources(name, parts));
    }
    const place = { imageFolder: options.imageFolder ?? dirname(real), linkedFolders };
    if (path.endsWith(".parquet")) return await openParquet(real, { name, indexFolder, ...place });
    const file = path.endsWith(".gz") ? await unpackGzip(real, { name, folder: indexFolder }) : real;
    return await openJson(file, { name, indexFolder, ...place });
  } catch (error) {
    throw asDataError(error, name, "expected a file or folder that can be read, got %s; check the path");
  }
}

/** The same source in another thread, from its handle. */
export async function openHandle(handle: SourceHandle): Promise<DiskSource> {
  switch (handle.kind) {
    case "records":
      return openRecords(handle);
    case "several":
      return severalSources(handle.name, await Promise.all(handle.parts.map(openHandle)));
  }
}
