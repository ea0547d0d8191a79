import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { KdError } from "@kd/contract";

/** Reads a JSON file of ours; `KD_DATA` when it is not one. */
export async function readJson<T>(path: string): Promise<T> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (cause) {
    throw new KdError(
      "KD_DATA",
      `${path}: expected a JSON file of this run, ${(cause as Error).message}; start again with --overwrite`,
      { cause },
    );
  }
}

/** Whole or not at all. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.partial`, `${JSON.stringify(value, null, 2)}\n`);
  await rename(`${path}.partial`, path);
}
