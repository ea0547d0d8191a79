import { readFile } from "node:fs/promises";
import { KdError } from "@kd/contract";

/** @throws KdError `KD_CONFIG` with the path, when there is no such file or it is not JSON. */
export async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new KdError("KD_CONFIG", `${file}: expected a JSON file, could not read it; check the folder`, { cause });
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KdError("KD_CONFIG", `${file}: expected JSON, ${(cause as Error).message}; correct the file`, { cause });
  }
}
