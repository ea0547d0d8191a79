import { open } from "node:fs/promises";
import { recordLength } from "../record-length.ts";
import { buildIndex } from "./build-index.ts";
import { asDataError, dataError } from "./data-error.ts";
import { stampOf } from "./file-stamp.ts";
import { indexPath, readIndexFile, writeIndexFile } from "./index-file.ts";
import { openRecords } from "./records-source.ts";
import type { DiskSource, ImagePlace } from "./source-handle.ts";

/** A file that holds one record a line begins with `{`, one that holds an array with `[`. */
async function formatOf(file: Awaited<ReturnType<typeof open>>, path: string): Promise<"json" | "jsonl"> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
  const text = buffer
    .subarray(0, bytesRead)
    .toString()
    .replace(/^\ufeff/, "")
    .trimStart();
  if (text.startsWith("[")) return "json";
  if (text.startsWith("{")) return "jsonl";
  throw dataError(
    path,
    `expected a JSON array or JSON lines, got ${text === "" ? "nothing" : JSON.stringify(text.slice(0, 12))}; pass a LLaVA file`,
  );
}

/** Where no line is a record: an array inside an object, or one object over many lines, is named as that and not as so many broken records. */
async function checkLines({ name, length, lengths, get }: DiskSource): Promise<void> {
  if (lengths.some((words) => words !== 0)) return;
  const isRecords = (value: unknown): boolean => Array.isArray(value) && value.some((each) => recordLength(each) !== 0);
  const first = await get(0).catch(() => undefined);
  const key = Object.entries(first?.value ?? {}).find(([, value]) => isRecords(value))?.[0];
  if (key === undefined && (first !== undefined || length < 2)) return;
  const got = key === undefined ? "an object over many lines" : `an object with the array in ${JSON.stringify(key)}`;
  throw dataError(name, `expected a JSON array or one record a line, got ${got}; write the array alone`);
}

/**
 * A JSON array or JSON lines of any size, read once to index it; the index is kept in `<file>.kd-index` (or in `indexFolder`) and used again while size,
 * times and both ends of the file are the same.
 *
 * @throws KdError `KD_DATA` when it cannot be read as a whole
 */
export async function openJson(
  path: string,
  options: ImagePlace & { name: string; indexFolder?: string | undefined },
): Promise<DiskSource> {
  const { name, indexFolder, ...place } = options;
  try {
    const file = await open(path, "r");
    try {
      const stamp = await stampOf(file);
      const format = await formatOf(file, name);
      const beside = indexPath(path, indexFolder);
      let stored = await readIndexFile(beside, stamp, format);
      if (stored === undefined) {
        stored = await buildIndex(file, { where: name, format });
        const after = await stampOf(file);
        if (after.times !== stamp.times || after.size !== stamp.size)
          throw dataError(
            name,
            "expected a file that stays as it is, got one that was written while it was read; start again",
          );
        await writeIndexFile(beside, stored, { stamp, format });
      }
      const fingerprint = stored.content;
      const source = await openRecords({
        kind: "records",
        name,
        fingerprint,
        text: path,
        index: stored.index.buffer,
        ...place,
      });
      if (format === "jsonl" && source.length > 0)
        await checkLines(source).catch(async (error) => {
          await source.close();
          throw error;
        });
      return source;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw asDataError(error, name, "expected a JSON file that can be read, got %s; check the path");
  }
}
