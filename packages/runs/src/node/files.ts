import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { KdError } from "@kd/contract";
import type { z } from "zod";

const PIECE = 2 ** 30; // one call moves at most 2 GiB

/** Writes a file and waits until it is on the disk. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "w");
  try {
    for (let position = 0; position < bytes.length; ) {
      const length = Math.min(PIECE, bytes.length - position);
      position += (await file.write(bytes, position, length, position)).bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename or a new file must reach the disk, too; Windows refuses to open folders, and needs no such thing. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path).catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

/** A whole file, larger than 2 GiB too. */
export async function readWhole(path: string): Promise<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const { size } = await file.stat();
    const bytes = new Uint8Array(size);
    for (let position = 0; position < size; ) {
      const { bytesRead } = await file.read(bytes, position, Math.min(PIECE, size - position), position);
      if (bytesRead === 0) return bytes.subarray(0, position); // it shrank meanwhile: its size then differs from the manifest's
      position += bytesRead;
    }
    return bytes;
  } catch (cause) {
    throw new KdError(
      "KD_IO",
      `${path}: expected a readable file, got ${(cause as NodeJS.ErrnoException).code ?? cause}`,
      {
        cause,
      },
    );
  } finally {
    await file?.close();
  }
}

/** Writes JSON beside its place and renames it: there is the old file or the new one. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const aside = `${path}.partial`;
  try {
    await writeDurably(aside, new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`));
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true }).catch(() => undefined); // the first error is the one to tell
    throw error;
  }
  await syncFolder(dirname(path));
}

/** A JSON file of this form; `KD_DATA`, with the path and the first thing that is wrong, for another. */
export async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  return parseJson(await readFile(path), path, schema);
}

export function parseJson<T>(bytes: Uint8Array, path: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new KdError("KD_DATA", `${path}: expected JSON, got: ${(cause as Error).message}`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new KdError("KD_DATA", `${path}, ${issue?.path.join(".") || "whole"}: ${issue?.message}`);
}
