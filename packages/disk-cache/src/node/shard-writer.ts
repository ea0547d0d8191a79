import { randomUUID } from "node:crypto";
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { checksumOf, ENTRY, headOf, type Place, writeEntry } from "./index-entry.ts";

const PIECE = 2 ** 30; // one call moves at most 2 GiB

/** A pair of files that this process alone appends to. */
export interface ShardWriter {
  readonly path: string;
  /** Bytes of both files. */
  size(): number;
  /** Appends entries: first their bytes, then the index that makes them count, so that a kill in between loses these and no other. */
  append(entries: readonly { readonly key: Buffer; readonly bytes: Uint8Array }[]): Place[];
  close(): void;
}

/** Begins a shard under a name of its own; where that fails, nothing of it stays. */
export function createShard(folder: string, format: string): ShardWriter {
  const path = join(folder, `${Date.now()}-${randomUUID().slice(0, 8)}`); // by age: what was there first is read first
  const opened: number[] = [];
  const create = (end: string): number => {
    const file = openSync(`${path}.${end}`, "wx");
    opened.push(file);
    return file;
  };
  const close = (): void => {
    for (const file of opened.splice(0)) closeSync(file);
  };
  const write = (file: number, bytes: Uint8Array, end: number): void => {
    for (let at = 0; at < bytes.length; )
      at += writeSync(file, bytes, at, Math.min(PIECE, bytes.length - at), end + at);
  };
  let [data, index] = [0, 0];
  try {
    [data, index] = [create("data"), create("index")];
    write(index, headOf(format), 0);
  } catch (error) {
    close();
    for (const end of ["data", "index"]) rmSync(`${path}.${end}`, { force: true });
    throw error;
  }
  let [dataEnd, indexEnd] = [0, ENTRY];
  return {
    path,
    size: () => dataEnd + indexEnd,
    append: (entries) => {
      let offset = dataEnd;
      const places = entries.map(({ key, bytes }) => {
        const place = { offset, length: bytes.length, checksum: checksumOf(key, bytes) };
        offset += bytes.length;
        return place;
      });
      const lines = Buffer.alloc(entries.length * ENTRY);
      for (const [i, place] of places.entries())
        writeEntry(lines, i * ENTRY, { key: (entries[i] as { key: Buffer }).key, ...place });
      try {
        write(data, Buffer.concat(entries.map(({ bytes }) => bytes)), dataEnd);
        write(index, lines, indexEnd);
      } catch (error) {
        ftruncateSync(data, dataEnd); // a full disk gets back what did not fit as a whole
        ftruncateSync(index, indexEnd);
        throw error;
      }
      dataEnd = offset;
      indexEnd += lines.length;
      return places;
    },
    close,
  };
}
