import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { KdError } from "@kd/contract";
import { parse as parseYaml } from "yaml";
import { parseJson } from "../json-file.ts";
import { isHubId } from "../resolve-folder.ts";
import { MODEL_KEYS, PATH_KEYS, type RunConfig } from "./config.ts";
import { isObject, resolveConfig } from "./resolve-config.ts";

type Values = Readonly<Record<string, unknown>>;

/** A run's configuration from a JSON or YAML file, whose paths start at the file, and the command line, whose paths start here. */
export async function readConfig(path: string, flags: Values): Promise<RunConfig> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new KdError(
      "KD_CONFIG",
      `${path}: expected a configuration, could not read it (${cause.code}); check the path`,
      { cause },
    );
  });
  const read = /\.ya?ml$/i.test(path) ? readYaml(text, path) : parseJson(text, path);
  const raw = isObject(read) && isObject(read.config) ? read.config : read; // a run's config.json says more
  if (!isObject(raw))
    throw new KdError("KD_CONFIG", `${path}: expected an object, got ${text.slice(0, 40)}; see kd train --help`);
  return resolveConfig(withPaths(raw, dirname(resolve(path))), withPaths(flags, process.cwd()), path);
}

function readYaml(text: string, path: string): unknown {
  try {
    return parseYaml(text);
  } catch (cause) {
    throw new KdError("KD_CONFIG", `${path}: expected YAML, ${(cause as Error).message}; correct the file`, { cause });
  }
}

/** Paths made absolute, at any depth; a model that is no folder may be an id of the hub. */
function withPaths(values: Values, folder: string): Values {
  const resolved = (key: string, value: unknown): unknown => {
    if (isObject(value)) return withPaths(value, folder);
    if (Array.isArray(value)) return value.map((item) => resolved(key, item));
    if (typeof value !== "string" || !PATH_KEYS.includes(key)) return value;
    const path = resolve(folder, value);
    return MODEL_KEYS.includes(key) && !existsSync(path) && isHubId(value) ? value : path;
  };
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, resolved(key, value)]));
}
