import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fail, quote } from "../fail.ts";
import { isObject, parseObject } from "../json.ts";
import type { StoredTensor } from "../parse.ts";
import { readBytes, readSafetensors } from "./read.ts";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/**
 * All tensors of a checkpoint: a `.safetensors` file, a sharded checkpoint's `*.index.json`, or a folder that holds
 * `model.safetensors` or else `model.safetensors.index.json`. Shards lie beside their index; no name leads out of the folder.
 *
 * @throws KdError `KD_SAFETENSORS` when nothing of the kind is there, a shard is missing or broken, or lacks a tensor of the index.
 */
export async function readWeights(path: string): Promise<Map<string, StoredTensor>> {
  const file = await locate(path);
  return file.endsWith(".json") ? readShards(file) : (await readSafetensors(file)).tensors;
}

async function locate(path: string): Promise<string> {
  if (!(await kindOf(path))?.isDirectory()) return path;
  for (const name of [SINGLE, INDEX]) if ((await kindOf(join(path, name)))?.isFile()) return join(path, name);
  return fail(path, `expected ${SINGLE} or ${INDEX} in this folder, got neither`);
}

const kindOf = (path: string) => stat(path).catch(() => undefined);

async function readShards(index: string): Promise<Map<string, StoredTensor>> {
  const { weight_map: map } = parseObject(new TextDecoder().decode(await readBytes(index)), index);
  if (!isObject(map)) fail(index, `expected weight_map to map tensors to files, got ${quote(map)}`);
  const shards = new Map<string, Map<string, StoredTensor>>();
  const weights = new Map<string, StoredTensor>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || !isPlainName(shard))
      fail(index, `expected a file name ending in .safetensors for ${quote(name)}, got ${quote(shard)}`);
    const path = join(dirname(index), shard);
    const tensors = shards.get(shard) ?? (await readSafetensors(path)).tensors;
    shards.set(shard, tensors);
    weights.set(
      name,
      tensors.get(name) ?? fail(path, `expected tensor ${quote(name)} of ${basename(index)}, got none`),
    );
  }
  return weights;
}

/** A file beside the index: no separator of any system, no drive, no parent. */
function isPlainName(name: string): boolean {
  return /^[^/\\:\0]+\.safetensors$/.test(name);
}
