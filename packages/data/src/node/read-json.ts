import { readFile } from "node:fs/promises";
import { KdError } from "@kd/contract";

/** A text file, or undefined where there is none. Throws `KD_DATA` naming what cannot be read. */
export async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new KdError("KD_DATA", `${file}: expected a file that can be read, got ${String(cause)}; check the path`, {
      cause,
    });
  }
}

/** A parsed JSON file with an object in it, or undefined where there is none. Throws `KD_DATA` naming the file. */
export async function readJsonObject(file: string): Promise<object | undefined> {
  const text = await readText(file);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
    throw new SyntaxError(`got ${typeof value}`);
  } catch (cause) {
    throw new KdError("KD_DATA", `${file}: expected a JSON object, got ${String(cause)}; download it again`, { cause });
  }
}
