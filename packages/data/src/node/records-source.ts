import { isUtf8 } from "node:buffer";
import { open } from "node:fs/promises";
import { KdError } from "@kd/contract";
import { parseJson } from "../bounded-json.ts";
import type { SourceRecord } from "../source.ts";
import { dataError } from "./data-error.ts";
import { readPacked } from "./packed-record.ts";
import { viewIndex } from "./record-index.ts";
import { MAX_RECORD_BYTES } from "./record-spans.ts";
import type { DiskSource, SourceHandle } from "./source-handle.ts";

/** Records of JSON text, on disk or in memory, of which an index says where each lies. */
export async function openRecords(handle: Extract<SourceHandle, { kind: "records" }>): Promise<DiskSource> {
  const { name, text, packed = false, index: buffer, imageFolder, linkedFolders = [] } = handle;
  const index = viewIndex(buffer);
  const file = typeof text === "string" ? await open(text, "r") : undefined;
  const get = async (i: number): Promise<SourceRecord> => {
    const where = `${name}[${i}]`;
    const [offset, size] = [index.offsets[i], index.bytes[i]];
    if (offset === undefined || size === undefined)
      throw dataError(where, `expected an index below ${index.count}; there are no more records`);
    if (size > MAX_RECORD_BYTES && !packed)
      throw dataError(
        where,
        `expected a record of at most ${MAX_RECORD_BYTES} bytes, got ${size}; shorten or remove it, or write records as [ … ], one a line`,
      );
    const bytes = Buffer.alloc(size);
    if (file === undefined) bytes.set(new Uint8Array(text as SharedArrayBuffer, offset, size));
    else {
      const { bytesRead } = await file.read(bytes, 0, size, offset);
      if (bytesRead < size)
        // not the record's fault: it must not be skipped
        throw new KdError("KD_CONFIG", `${where}: expected the file that was indexed, got a shorter one; start again`);
    }
    const place = { where, imageFolder, linkedFolders };
    if (packed) return { ...readPacked(bytes, where), ...place };
    if (!isUtf8(bytes)) throw dataError(where, "expected UTF-8, got other bytes; convert or remove the record");
    return { value: parseJson(bytes.toString(), where), ...place };
  };
  const close = async (): Promise<void> => file?.close();
  return { name, length: index.count, lengths: index.words, fingerprint: handle.fingerprint, handle, get, close };
}
