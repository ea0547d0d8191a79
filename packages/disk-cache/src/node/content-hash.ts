import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { KdError } from "@kd/contract";

/** SHA-256 (hex) of parts, each with its length before it: text, or the bytes of an array. */
export function contentHash(parts: Iterable<string | ArrayBufferView>): string {
  const hash = createHash("sha256");
  for (const part of parts) {
    const bytes =
      typeof part === "string" ? Buffer.from(part) : new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    hash.update(`${bytes.length} `).update(bytes);
  }
  return hash.digest("hex");
}

/**
 * SHA-256 (hex) of the names and contents of files, in the order given, streamed: of a model's folder what decides its numbers, without loading it.
 *
 * @throws KdError `KD_IO` for a file that cannot be read.
 */
export async function hashFiles(paths: readonly string[]): Promise<string> {
  const hashes: string[] = [];
  for (const path of paths) {
    const hash = createHash("sha256");
    try {
      for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(piece);
    } catch (cause) {
      const { code = String(cause) } = cause as NodeJS.ErrnoException;
      throw new KdError("KD_IO", `${path}: expected a readable file, got ${code}`, { cause });
    }
    hashes.push(`${basename(path)} ${hash.digest("hex")}`);
  }
  return contentHash(hashes);
}
