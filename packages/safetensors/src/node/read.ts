import { type FileHandle, open } from "node:fs/promises";
import { fail } from "../fail.ts";
import { parseSafetensors, type SafetensorsFile } from "../parse.ts";

/** One read call moves at most 2 GiB. */
const PIECE = 2 ** 30;

/**
 * Reads a whole `.safetensors` file into memory.
 *
 * @throws KdError `KD_SAFETENSORS`, with the path, when it can't be read or is broken.
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  return parseSafetensors(await readBytes(path), path);
}

export async function readBytes(path: string): Promise<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const { size } = await file.stat();
    const bytes = new Uint8Array(size);
    for (let position = 0; position < size; ) {
      const { bytesRead } = await file.read(bytes, position, Math.min(PIECE, size - position), position);
      if (bytesRead === 0) return bytes.subarray(0, position); // it shrank meanwhile: the parser says truncated
      position += bytesRead;
    }
    return bytes;
  } catch (cause) {
    return fail(
      path,
      `expected a readable file, got ${(cause as NodeJS.ErrnoException).code ?? cause}; check the path`,
      { cause },
    );
  } finally {
    await file?.close();
  }
}
