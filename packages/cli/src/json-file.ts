import { readFile } from "node:fs/promises";
import { KdError } from "@kd/contract";

/** An object from a JSON file; undefined where there is no file. Throws `KD_CONFIG` for anything else. */
export async function readJsonIfThere(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw new KdError("KD_CONFIG", `${path}: expected a JSON file, could not read it (${cause.code}); check the path`, {
      cause,
    });
  });
  if (text === undefined) return undefined;
  const value = parseJson(text, path);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new KdError("KD_CONFIG", `${path}: expected a JSON object, got ${text.slice(0, 40)}; correct the file`);
}

/** An object from a JSON file that must be there. */
export async function readJson(path: string): Promise<Readonly<Record<string, unknown>>> {
  const value = await readJsonIfThere(path);
  if (value !== undefined) return value;
  throw new KdError("KD_CONFIG", `${path}: expected a JSON file, got none; check the path`);
}

/** Throws `KD_CONFIG` with the file's name. */
export function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KdError("KD_CONFIG", `${path}: expected JSON, ${(cause as Error).message}; correct the file`, { cause });
  }
}

/** As every JSON file of ours is written. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
