import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/** Bytes of the head of an index file, and of each entry after it. */
export const ENTRY = 32;
const KEY = 16;
const MAGIC = "kd cache, form 1";

/** Where an entry's bytes lie in the file beside its index. */
export interface Place {
  readonly offset: number;
  readonly length: number;
  /** Of key and bytes. */
  readonly checksum: number;
}

/** The first 128 bits of a key's SHA-256. */
export const shortKey = (key: string): Buffer => createHash("sha256").update(key).digest().subarray(0, KEY);

/** A key as the index has it, 32 hexadecimal digits. */
export const keyHash = (key: string): string => shortKey(key).toString("hex");

export const checksumOf = (key: Uint8Array, bytes: Uint8Array): number => crc32(bytes, crc32(key));

/** What an index begins with; another form of file or another kind of content has another. */
export const headOf = (format: string): Buffer => Buffer.concat([Buffer.from(MAGIC), shortKey(format)]);

/** Key, offset, length and checksum, little-endian. */
export function writeEntry(target: Buffer, at: number, entry: { readonly key: Uint8Array } & Place): void {
  target.set(entry.key, at);
  target.writeDoubleLE(entry.offset, at + KEY);
  target.writeUInt32LE(entry.length, at + KEY + 8);
  target.writeUInt32LE(entry.checksum, at + KEY + 12);
}

export const keyAt = (index: Buffer, at: number): Buffer => index.subarray(at, at + KEY);

export const placeAt = (index: Buffer, at: number): Place => ({
  offset: index.readDoubleLE(at + KEY),
  length: index.readUInt32LE(at + KEY + 8),
  checksum: index.readUInt32LE(at + KEY + 12),
});
