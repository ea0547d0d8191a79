import { randomUUID } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { bytesOf, layOut, type Named, type WritableTensor } from "../serialize.ts";

const PIECE = 2 ** 30;

/** A tensor to write whose values are made when their turn has come, so that only one is in memory. */
export interface StreamedTensor extends Pick<WritableTensor, "dtype" | "shape"> {
  readonly data: () => Promise<WritableTensor["data"]> | WritableTensor["data"];
}

/**
 * Writes a `.safetensors` file beside its place, a tensor at a time, flushes it to the disk and renames it: a crash leaves the old file or
 * the new one, never a half.
 *
 * @throws KdError `KD_SAFETENSORS` when a tensor doesn't fit its type and shape; the file system's own errors otherwise.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<Named<WritableTensor | StreamedTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { header, sorted } = layOut(tensors, metadata);
  const aside = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(aside, "wx");
    try {
      let position = await writeAll(file, header, 0);
      for (const [name, tensor] of sorted) {
        const data = typeof tensor.data === "function" ? await tensor.data() : tensor.data;
        position = await writeAll(file, bytesOf(name, { ...tensor, data }), position);
      }
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

/** Where the next bytes go. */
async function writeAll(file: FileHandle, bytes: Uint8Array, start: number): Promise<number> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(PIECE, bytes.length - done), start + done);
    done += bytesWritten;
  }
  return start + bytes.length;
}

/** The rename itself must reach the disk; Windows refuses to open folders, and needs no such thing. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path).catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
