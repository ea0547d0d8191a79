import { KdError } from "@kd/contract";

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; free some space",
  EDQUOT: "the quota is used up; free some space",
  EFBIG: "the file may not grow further; raise the limit on file sizes",
  EROFS: "the file system is read-only; choose another folder",
  EACCES: "no permission; choose another folder or change its permissions",
  EPERM: "no permission; choose another folder or change its permissions",
  ENOTDIR: "a file stands where a folder should; choose another folder",
  EEXIST: "a file stands where a folder should; choose another folder",
  ENOENT: "a folder on the way is gone or cannot be made, as on a read-only disk; choose another folder",
  EIO: "the disk failed; look at its health",
};

/** Does the work; what the file system refuses becomes a `KD_IO` that says what for, why and what to do. */
export async function writing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (KdError.is(cause)) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === undefined) throw cause; // not the file system's
    throw new KdError(
      "KD_IO",
      `${what}: expected to write it, got ${code}: ${REASONS[code] ?? (cause as Error).message}`,
      {
        cause,
      },
    );
  }
}
