import { createHash, randomUUID } from "node:crypto";
import { access, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { asDataError } from "./data-error.ts";
import { stampOf } from "./file-stamp.ts";

/** What a process that was killed left behind is older than this; in milliseconds. */
const ABANDONED = 24 * 3600 * 1000;

/** Removes unpacked forms of former states, and unfinished ones that nobody writes any more. */
async function removeOld(folder: string, prefix: string, keep: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix) || name.startsWith(keep)) continue;
    const match = /^[0-9a-f]{20}\.kd-unpacked(?:\.kd-index)?(\.[\w-]+\.tmp)?$/.exec(name.slice(prefix.length));
    if (match === null) continue;
    const path = join(folder, name);
    const written =
      match[1] === undefined
        ? 0
        : await stat(path).then(
            ({ mtimeMs }) => mtimeMs,
            () => Number.POSITIVE_INFINITY,
          );
    const abandoned = written < Date.now() - ABANDONED;
    if (abandoned) await rm(path, { force: true });
  }
}

/**
 * A file's unpacked form, made once by `unpack` and kept beside it or in `folder`: the name holds the stamp of the packed file, so that another state
 * of it is unpacked anew. It is written aside and renamed; those of former states are removed.
 */
export async function unpackedFile(
  path: string,
  options: { folder?: string | undefined; name: string; unpack: (aside: string, packedBytes: number) => Promise<void> },
): Promise<string> {
  const { name, folder = dirname(path), unpack } = options;
  const packed = await open(path, "r");
  const stamp = await stampOf(packed).finally(() => packed.close());
  const hash = createHash("sha256").update(`${stamp.ends} ${stamp.times}`).digest("hex").slice(0, 20);
  const whose = folder === dirname(path) ? "" : `${createHash("sha256").update(path).digest("hex").slice(0, 8)}-`;
  const prefix = `${whose}${basename(path)}.`;
  const file = join(folder, `${prefix}${hash}.kd-unpacked`);
  const there = await access(file).then(
    () => true,
    () => false,
  );
  if (there) return file;
  const aside = `${file}.${randomUUID()}.tmp`;
  try {
    await mkdir(folder, { recursive: true });
    await unpack(aside, stamp.size);
    await rename(aside, file);
    await removeOld(folder, prefix, basename(file));
    return file;
  } catch (error) {
    await rm(aside, { force: true }).catch(() => undefined);
    throw asDataError(
      error,
      name,
      "expected a whole file and room beside it to unpack, got %s; copy it again, or choose another folder for what is unpacked (index folder)",
    );
  }
}
