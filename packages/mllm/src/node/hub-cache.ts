import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { openWeights } from "@kd/safetensors/node";
import type { HubModel } from "./resolve-model-folder.ts";

export const isCommit = (text: string): boolean => /^[0-9a-f]{40}$/.test(text);

/** Where the cache keeps a model, as Python's `huggingface_hub` does: `refs/REVISION` names a commit, `snapshots/COMMIT` is its folder. */
export const storageOf = ({ name }: HubModel, cacheDir: string): string =>
  join(cacheDir, `models--${name.replace("/", "--")}`);

/** A model's folder in the cache, when it is there with configuration and weights. */
export async function cachedSnapshot(model: HubModel, cacheDir: string): Promise<string | undefined> {
  const storage = storageOf(model, cacheDir);
  const ref = join(storage, "refs", ...model.revision.split("/"));
  const commit = isCommit(model.revision) ? model.revision : (await readFile(ref, "utf8").catch(() => "")).trim();
  if (!isCommit(commit)) return undefined;
  const folder = join(storage, "snapshots", commit);
  return (await isWhole(folder)) ? folder : undefined;
}

/** A download that was broken off leaves a folder without some of its files. */
async function isWhole(folder: string): Promise<boolean> {
  const has = async (path: string) => (await stat(join(folder, path)).catch(() => undefined)) !== undefined;
  if (!(await has("config.json"))) return false;
  const parts = (await has("connector")) ? ["language_model", "vision_tower", "connector"] : ["."];
  const opened = await Promise.allSettled(parts.map((part) => openWeights(join(folder, part))));
  return opened.every(({ status }) => status === "fulfilled");
}
