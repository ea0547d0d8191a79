import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { createEntryTable, type Found } from "./entry-table.ts";
import { checksumOf, ENTRY, headOf, keyAt, placeAt, shortKey } from "./index-entry.ts";
import { cacheError } from "./io-error.ts";
import { createShard, type ShardWriter } from "./shard-writer.ts";

/** Options of {@link openDiskCache}. */
export interface DiskCacheOptions {
  /** What the bytes of an entry are, with a version: files of another format are left alone, and their entries are not there. */
  readonly format: string;
  /** Bytes after which another pair of files is begun. @defaultValue 1 GiB */
  readonly shardBytes?: number;
}

export interface CacheSize {
  readonly entries: number;
  /** Of the entries, without index and what has been replaced. */
  readonly bytes: number;
}

/** Bytes on disk under keys. Any number of processes read and add at once; what another adds after this one has opened is not seen. */
export interface DiskCache {
  readonly folder: string;
  /** What was found damaged or of another format, a line each; such entries are not there, and may be added again. */
  readonly notices: readonly string[];
  size(): CacheSize;
  has(key: string): boolean;
  /** `keyHash` of every key that is there: another thread can look for a key in them. */
  hashes(): Iterable<string>;
  /** The bytes of an entry, checked; valid until the next call. Undefined where there is none, or a damaged one. */
  get(key: string): Uint8Array | undefined;
  /** Adds entries, all in one write; a kill loses these at most. What is there already is not added again. */
  add(entries: Iterable<readonly [key: string, bytes: Uint8Array]>): void;
  close(): void;
}

/**
 * Opens a folder of cached entries, made where it is not there. It is read with positional reads into one buffer: a map would
 * gain nothing that a step notices (docs/decisions/2026-11-27-positional-reads-not-maps.md).
 *
 * @throws KdError `KD_IO` for a folder that cannot be made or read; `add` also for one that cannot be written or a full disk, what was there stays.
 */
export function openDiskCache(folder: string, { format, shardBytes = 2 ** 30 }: DiskCacheOptions): DiskCache {
  const notices: string[] = [];
  const places = createEntryTable();
  const shards: { readonly path: string; file?: number }[] = [];
  let [writer, bytes, buffer] = [undefined as ShardWriter | undefined, 0, Buffer.alloc(2 ** 16)];
  const put = (key: Buffer, place: Found): void => {
    bytes += place.length - (places.get(key)?.length ?? 0);
    places.put(key, place);
  };
  if (!existsSync(folder)) cacheError(folder, "make", () => void mkdirSync(folder, { recursive: true }));
  cacheError(folder, "read", () => {
    for (const name of readdirSync(folder).sort()) {
      if (!name.endsWith(".index")) continue;
      const path = join(folder, name.slice(0, -".index".length));
      const index = readFileSync(`${path}.index`);
      const end = statSync(`${path}.data`, { throwIfNoEntry: false })?.size ?? 0;
      if (index.length < ENTRY) continue; // killed at its very beginning
      if (!index.subarray(0, ENTRY).equals(headOf(format))) {
        notices.push(`${path}.index: of another format or version; it is left alone`);
        continue;
      }
      shards.push({ path });
      let lost = 0;
      for (let at = ENTRY; at + ENTRY <= index.length; at += ENTRY) {
        const place = placeAt(index, at);
        if (Number.isSafeInteger(place.offset) && place.offset >= 0 && place.offset + place.length <= end)
          put(keyAt(index, at), { ...place, shard: shards.length - 1 });
        else lost++;
      }
      if (lost > 0) notices.push(`${path}.data: cut off at ${end} bytes; ${lost} of its entries are not there`);
    }
  });
  const cache: DiskCache = {
    folder,
    notices,
    size: () => ({ entries: places.count(), bytes }),
    has: (key) => places.get(shortKey(key)) !== undefined,
    hashes: function* () {
      for (const key of places.keys()) yield key.toString("hex");
    },
    get: (key) => {
      const short = shortKey(key);
      const place = places.get(short);
      if (place === undefined) return undefined;
      const shard = shards[place.shard] as (typeof shards)[number];
      if (buffer.length < place.length) buffer = Buffer.alloc(place.length);
      const read = buffer.subarray(0, place.length);
      const whole = cacheError(`${shard.path}.data`, "read", () => {
        shard.file ??= openSync(`${shard.path}.data`, "r");
        return fill(shard.file, read, place.offset);
      });
      if (whole && checksumOf(short, read) === place.checksum) return read;
      notices.push(`${shard.path}.data: an entry at ${place.offset} is damaged and not used`);
      places.delete(short);
      bytes -= place.length;
      return undefined;
    },
    add: (entries) => {
      const fresh = new Map<string, { readonly key: Buffer; readonly bytes: Uint8Array }>();
      for (const [key, bytes] of entries) {
        const short = shortKey(key);
        const name = short.toString("latin1");
        if (places.get(short) === undefined && !fresh.has(name)) fresh.set(name, { key: short, bytes });
      }
      if (fresh.size === 0) return;
      cacheError(folder, "write", () => {
        if (writer === undefined || writer.size() >= shardBytes) {
          writer?.close();
          writer = undefined;
          writer = createShard(folder, format);
          shards.push({ path: writer.path });
        }
        const added = [...fresh.values()];
        for (const [i, place] of writer.append(added).entries())
          put((added[i] as { key: Buffer }).key, { ...place, shard: shards.length - 1 });
      });
    },
    close: () => {
      writer?.close();
      writer = undefined;
      for (const shard of shards) {
        if (shard.file !== undefined) closeSync(shard.file);
        delete shard.file;
      }
    },
  };
  return cache;
}

/** Whether the file had that many bytes there. */
function fill(file: number, target: Buffer, position: number): boolean {
  for (let at = 0; at < target.length; ) {
    const read = readSync(file, target, at, Math.min(2 ** 30, target.length - at), position + at);
    if (read === 0) return false;
    at += read;
  }
  return true;
}
