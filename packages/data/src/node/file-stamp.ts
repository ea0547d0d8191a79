import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

/** Bytes at both ends that a stamp reads. */
const END_BYTES = 64 * 1024;

/** What tells one state of a file from another. */
export interface FileStamp {
  /** Bytes. */
  readonly size: number;
  /** Nanoseconds of last write and last change of the inode: the second cannot be set back. */
  readonly times: string;
  /** SHA-256 of the size and the first and last 64 KiB: the same after a copy. */
  readonly ends: string;
}

/** Reads a stamp; cheap for files of any size. */
export async function stampOf(file: FileHandle): Promise<FileStamp> {
  const { size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
  const total = Number(size);
  const hash = createHash("sha256").update(String(total));
  const end = new Uint8Array(Math.min(total, END_BYTES));
  for (const position of [0, total - end.length]) {
    const { bytesRead } = await file.read(end, 0, end.length, position);
    hash.update(end.subarray(0, bytesRead));
  }
  return { size: total, times: `${mtimeNs} ${ctimeNs}`, ends: hash.digest("hex") };
}
