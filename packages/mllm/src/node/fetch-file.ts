import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { copyFile, mkdir, rename, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import type { FileDownloadInfoOutput } from "@huggingface/hub";
import { KdError } from "@kd/contract";

/** Where one file comes from and goes to. */
export interface FetchFile {
  /** The snapshot's folder. */
  readonly folder: string;
  /** Contents by their tag; revisions share them. */
  readonly blobs: string;
  readonly info: FileDownloadInfoOutput | null;
  readonly open: (info: FileDownloadInfoOutput) => Promise<Blob | null>;
}

/**
 * One file into the cache: its contents under their tag, written aside and renamed, and a link to them under its name.
 * `@huggingface/hub` has a function for it that prints to the standard output, where a program's answer goes.
 */
export async function fetchFile(path: string, { folder, blobs, info, open }: FetchFile): Promise<void> {
  const fail = (message: string): never => {
    throw new KdError("KD_CONFIG", `${path}: ${message}; try again, or download the model by hand`);
  };
  const tag = info?.etag.replace(/^W\/|"/g, "") ?? fail("expected the file on the hub, got none");
  if (!/^[\w-]+$/.test(tag)) fail(`expected a tag of its contents, got ${JSON.stringify(tag)}`);
  const [blob, name] = [join(blobs, tag), join(folder, path)];
  await mkdir(blobs, { recursive: true });
  await mkdir(dirname(name), { recursive: true });
  if (!(await exists(blob))) {
    const source = (info && (await open(info))) ?? fail("expected the file on the hub, got none");
    const aside = `${blob}.${randomUUID()}.incomplete`;
    try {
      await pipeline(Readable.fromWeb(source.stream() as ReadableStream), createWriteStream(aside));
      const { size } = await stat(aside);
      if (size !== info?.size) fail(`expected ${info?.size} bytes, got ${size}`);
      await rename(aside, blob);
    } catch (error) {
      await rm(aside, { force: true });
      throw error;
    }
  }
  if (await exists(name)) return;
  await symlink(relative(dirname(name), blob), name).catch(() => copyFile(blob, name)); // Windows may not make links
}

const exists = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined;
