import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { FileStamp } from "./file-stamp.ts";
import { INDEX_BYTES, type RecordIndex, viewIndex } from "./record-index.ts";

/** First line of an index file; the second is the checksum of all that follows, and what the index is of. */
const MAGIC = "kd-index 2\n";

/** An index, and what it was made of. */
export interface StoredIndex {
  readonly index: RecordIndex;
  /** SHA-256 of the bytes that were read to make it. */
  readonly content: string;
}

/** Where the index of a file lies: beside it, or in `folder` under a name of its own. */
export function indexPath(file: string, folder?: string): string {
  if (folder === undefined) return `${file}.kd-index`;
  return `${folder}/${createHash("sha256").update(file).digest("hex").slice(0, 24)}.kd-index`;
}

interface Head extends FileStamp {
  readonly format: string;
  readonly content: string;
}

const header = ({ format, content, size, times, ends }: Head, body: Uint8Array): string => {
  const head = JSON.stringify({ format, content, size, times, ends });
  return `${MAGIC}${createHash("sha256").update(head).update(body).digest("hex")} ${head}\n`;
};

/** The index that was written for this state of the file, or none: another state, another format, damaged. */
export async function readIndexFile(path: string, stamp: FileStamp, format: string): Promise<StoredIndex | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined || !bytes.subarray(0, MAGIC.length).equals(Buffer.from(MAGIC))) return undefined;
  const end = bytes.indexOf("\n", MAGIC.length) + 1;
  const body = bytes.subarray(end);
  const content = /"content":"([0-9a-f]{64})"/.exec(bytes.subarray(0, end).toString("latin1"))?.[1];
  if (content === undefined || body.length % INDEX_BYTES !== 0) return undefined;
  if (bytes.subarray(0, end).toString() !== header({ ...stamp, format, content }, body)) return undefined;
  const buffer = new SharedArrayBuffer(body.length);
  new Uint8Array(buffer).set(body);
  return { index: viewIndex(buffer), content };
}

/** Writes aside, syncs and renames, so that a reader finds a whole index or none. False where the folder cannot be written. */
export async function writeIndexFile(
  path: string,
  { index, content }: StoredIndex,
  { stamp, format }: { stamp: FileStamp; format: string },
): Promise<boolean> {
  const aside = `${path}.${randomUUID()}.tmp`;
  const body = new Uint8Array(index.buffer);
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(aside, "wx");
    try {
      await file.writeFile(header({ ...stamp, format, content }, body));
      await file.writeFile(body);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
    return true;
  } catch {
    await rm(aside, { force: true }).catch(() => undefined); // an index is only a saving: without one the next start reads the file again
    return false;
  }
}
