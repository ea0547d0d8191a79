import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { KdError } from "@kd/contract";

/** SHA-256 (hex) of parts, each with its kind and length: text, or the bytes of an array. */
export function contentHash(parts: Iterable<string | ArrayBufferView>): string {
  let text = ""; // all that is no array at once: a call of `update` costs more than what it hashes here
  const arrays: ArrayBufferView[] = [];
  for (const part of parts) {
    if (typeof part === "string") text += `text ${part.length} ${part}`;
    else {
      text += `bytes ${part.byteLength} `;
      arrays.push(part);
    }
  }
  const hash = createHash("sha256").update(`${text.length} ${text}`);
  for (const { buffer, byteOffset, byteLength } of arrays) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
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
