import { readFile, stat } from "node:fs/promises";
import { KdError } from "@kd/contract";

/** Configurations have kilobytes. */
const LIMIT = 2 ** 24;

/** @throws KdError `KD_CONFIG` with the path, when there is no such file, it has more than 16 MiB or it is not JSON. */
export async function readJson(file: string): Promise<unknown> {
  const size = (await stat(file).catch(() => undefined))?.size ?? 0;
  if (size > LIMIT)
    throw new KdError("KD_CONFIG", `${file}: expected at most ${LIMIT} bytes, got ${size}; it is no configuration`);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new KdError("KD_CONFIG", `${file}: expected a JSON file, could not read it; check the folder`, { cause });
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KdError("KD_CONFIG", `${file}: expected JSON, ${(cause as Error).message}; correct the file`, { cause });
  }
}
