import { KdError } from "@kd/contract";

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; free some space",
  EROFS: "the file system is read-only; choose another folder",
  EACCES: "no permission; choose another folder or change its permissions",
  ENOTDIR: "a file stands where a folder should; choose another folder",
  // what Node says for a new folder on a read-only file system
  ENOENT: "it is not there and cannot be made; choose another folder, or one that can be written",
  EEXIST: "a file stands where a folder should; choose another folder",
};

/** Does the work; what the file system refuses becomes a `KD_IO` that says what for and what to do. */
export function cacheError<T>(path: string, what: "make" | "read" | "write", work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === undefined || KdError.is(cause)) throw cause;
    throw new KdError(
      "KD_IO",
      `${path}: expected to ${what} it, got ${code}: ${REASONS[code] ?? (cause as Error).message}`,
      { cause },
    );
  }
}
