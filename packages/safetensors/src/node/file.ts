import { type FileHandle, open } from "node:fs/promises";
import { fail } from "../fail.ts";

/** One read call moves at most 2 GiB. */
const PIECE = 2 ** 30;

/** Opens a file to read, hands it over and closes it; the system's own error becomes a KdError with the path. */
export async function withFile<T>(path: string, use: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  const file = await openToRead(path);
  try {
    return await use(file, (await file.stat()).size);
  } finally {
    await file.close();
  }
}

export async function openToRead(path: string): Promise<FileHandle> {
  return open(path).catch((cause: NodeJS.ErrnoException) =>
    fail(path, `expected a readable file, got ${cause.code ?? cause}; check the path`, { cause }),
  );
}

/** Fills `bytes` from a position of a file on; a file that ends before is an error. */
export async function readInto(file: FileHandle, bytes: Uint8Array, position: number, path: string): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file
      .read(bytes, done, Math.min(PIECE, bytes.length - done), position + done)
      .catch((cause: NodeJS.ErrnoException) =>
        fail(path, `expected a readable file, got ${cause.code ?? cause}; check the path`, { cause }),
      );
    if (bytesRead === 0)
      fail(path, `expected bytes up to ${position + bytes.length}, got ${position + done}; it is truncated`);
    done += bytesRead;
  }
}

/** A whole file, which may have at most `limit` bytes. */
export function readWhole(path: string, limit: number = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
  return withFile(path, async (file, size) => {
    if (size > limit) fail(path, `expected at most ${limit} bytes, got ${size}; it is not what its name says`);
    const bytes = new Uint8Array(size);
    await readInto(file, bytes, 0, path);
    return bytes;
  });
}
