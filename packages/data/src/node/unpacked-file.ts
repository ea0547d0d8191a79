import { createHash, randomUUID } from "node:crypto";
import { access, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { asDataError } from "./data-error.ts";
import { stampOf } from "./file-stamp.ts";

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
    await unpack(aside, stamp.size);
    await rename(aside, file);
    const old = (await readdir(folder)).filter((each) => /^[0-9a-f]{20}\.kd-unpacked$/.test(each.slice(prefix.length)));
    for (const each of old)
      if (each.startsWith(prefix) && join(folder, each) !== file) await rm(join(folder, each), { force: true });
    return file;
  } catch (error) {
    await rm(aside, { force: true }).catch(() => undefined);
    throw asDataError(
      error,
      name,
      "expected a whole file and room beside it to unpack, got %s; copy it again, or set indexFolder",
    );
  }
}
