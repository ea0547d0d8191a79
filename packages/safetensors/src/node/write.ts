import { randomUUID } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { serializeSafetensors, type WritableTensor } from "../serialize.ts";

const PIECE = 2 ** 30;

/**
 * Writes a `.safetensors` file beside its place, flushes it to the disk and renames it: a crash leaves the old file or the new one,
 * never a half.
 *
 * @throws KdError `KD_SAFETENSORS` when a tensor doesn't fit its type and shape; the file system's own errors otherwise.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [name: string, tensor: WritableTensor]>,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  const bytes = serializeSafetensors(tensors, metadata);
  const aside = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(aside, "wx");
    try {
      await writeAll(file, bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let position = 0; position < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, position, Math.min(PIECE, bytes.length - position), position);
    position += bytesWritten;
  }
}

/** The rename itself must reach the disk; Windows refuses to open folders, and needs no such thing. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path).catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
