import { readFile, stat } from "node:fs/promises";
import { KdError } from "@kd/contract";

/** Configurations have kilobytes; a tokenizer.json has 10 MB. */
const LIMIT = 2 ** 26;

/**
 * A JSON file.
 *
 * @param what names it in errors, such as "a LLaVA config.json"
 * @throws KdError `KD_CONFIG` when it can't be read, is larger than 64 MiB or is no JSON.
 */
export async function readJson(file: string, what: string): Promise<unknown> {
  const fail = (message: string, cause?: unknown): never => {
    throw new KdError("KD_CONFIG", `${file}: ${message}`, { cause });
  };
  const { size } = await stat(file).catch((cause: unknown) =>
    fail(`expected ${what}, could not read it; check the folder`, cause),
  );
  if (size > LIMIT) fail(`expected ${what} of at most ${LIMIT} bytes, got ${size}`);
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    return fail(`expected JSON, ${(cause as Error).message}; correct the file`, cause);
  }
}

/** The same, undefined where there is no such file. */
export async function readJsonIfThere(file: string, what: string): Promise<unknown> {
  return (await stat(file).catch(() => undefined)) === undefined ? undefined : readJson(file, what);
}
