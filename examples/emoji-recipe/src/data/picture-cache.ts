import { createHash } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

const DIGEST = 32; // the file is the SHA-256 of its pixels, then the pixels

/** The pixels of a cache file, or nothing when it is absent, cut off or damaged. */
export async function readPixels(path: string, bytes: number): Promise<Uint8Array | undefined> {
  const file = await readFile(path).catch(() => undefined);
  if (file?.byteLength !== DIGEST + bytes) return undefined;
  const pixels = new Uint8Array(file.buffer, file.byteOffset + DIGEST, bytes);
  return digest(pixels).equals(file.subarray(0, DIGEST)) ? pixels : undefined;
}

/** Writes beside and renames, so that a reader sees the whole file or none. */
export async function writePixels(path: string, pixels: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}.part`;
  try {
    const file = await open(aside, "w");
    try {
      await file.writeFile(digest(pixels));
      await file.writeFile(pixels); // goes on where the digest ends
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } finally {
    await rm(aside, { force: true });
  }
}

function digest(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
