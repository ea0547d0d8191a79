import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { recordLength } from "../record-length.ts";
import type { StoredIndex } from "./index-file.ts";
import { indexBuilder } from "./record-index.ts";
import { arrayScanner, linesScanner } from "./record-spans.ts";

const CHUNK = 4 * 1024 ** 2;

/** Words of a record's bytes; 0 when they are no LLaVA record. */
export function lengthOfBytes(bytes: Uint8Array): number {
  if (!isUtf8(bytes)) return 0;
  try {
    return recordLength(JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()));
  } catch {
    return 0; // reported with file and index by whoever reads it
  }
}

/** One pass over a JSON array or JSON lines, in pieces of 4 MiB. Throws `KD_DATA` when the file as a whole cannot be read. */
export async function buildIndex(
  file: FileHandle,
  { where, format }: { where: string; format: "json" | "jsonl" },
): Promise<StoredIndex> {
  const index = indexBuilder();
  const hash = createHash("sha256");
  const add = (bytes: Uint8Array, offset: number): void => index.add(offset, bytes.length, lengthOfBytes(bytes));
  const addLong = (size: number, offset: number): void => index.add(offset, Math.min(size, 2 ** 32 - 1), 0); // no record
  const scanner = format === "json" ? arrayScanner(where, add) : linesScanner(where, add, addLong);
  const chunk = new Uint8Array(CHUNK);
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK, position);
    if (bytesRead === 0) break;
    hash.update(chunk.subarray(0, bytesRead));
    scanner.write(chunk.subarray(0, bytesRead));
    position += bytesRead;
  }
  scanner.end();
  return { index: index.done(), content: hash.digest("hex") };
}
