import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { z } from "zod";
import { parseJson } from "../bounded-json.ts";
import { recordLength } from "../record-length.ts";
import { dataError } from "./data-error.ts";
import type { StoredIndex } from "./index-file.ts";
import { indexBuilder } from "./record-index.ts";
import { MAX_RECORD_BYTES } from "./record-spans.ts";

/** One record of an unpacked file: a line of JSON, then the bytes of its pictures, in this order. */
export interface PackedLine {
  readonly record: unknown;
  readonly pictures: readonly (readonly [name: string, bytes: number])[];
}

const lineSchema: z.ZodType<PackedLine> = z.object({
  record: z.unknown(),
  pictures: z.array(z.tuple([z.string(), z.int().min(0)])),
});

function lineOf(text: string, where: string): PackedLine {
  const { success, data } = lineSchema.safeParse(parseJson(text, where));
  if (success) return data;
  throw dataError(
    where,
    "expected a record as it was unpacked, got another line; remove the unpacked file and start again",
  );
}

/** Takes an unpacked record apart. Throws `KD_DATA` of `where`. */
export function readPacked(bytes: Uint8Array, where: string): { value: unknown; pictures: Map<string, Uint8Array> } {
  let at = bytes.indexOf(0x0a) + 1;
  const line = lineOf(Buffer.from(bytes.subarray(0, at)).toString(), where);
  const pictures = new Map<string, Uint8Array>();
  for (const [name, size] of line.pictures) {
    pictures.set(name, bytes.subarray(at, at + size));
    at += size;
  }
  return { value: line.record, pictures };
}

/** Index of an unpacked file: its lines say where the next begins, and only they are read. Throws `KD_DATA` when it is damaged. */
export async function indexPacked(file: FileHandle, where: string): Promise<StoredIndex> {
  const { size } = await file.stat();
  const index = indexBuilder();
  const hash = createHash("sha256");
  let buffer = Buffer.alloc(64 * 1024);
  for (let offset = 0; offset < size; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    const end = buffer.subarray(0, bytesRead).indexOf(0x0a);
    if (end < 0) {
      if (bytesRead < buffer.length || buffer.length > MAX_RECORD_BYTES)
        throw dataError(
          where,
          `expected a line at byte ${offset} of the unpacked file, got none; remove that file and start again`,
        );
      buffer = Buffer.alloc(2 * buffer.length);
      continue;
    }
    const line = lineOf(buffer.toString("utf8", 0, end), where);
    hash.update(buffer.subarray(0, end + 1));
    const bytes = line.pictures.reduce((sum, [, each]) => sum + each, end + 1);
    index.add(offset, bytes, recordLength(line.record));
    offset += bytes;
  }
  return { index: index.done(), content: hash.digest("hex") };
}
