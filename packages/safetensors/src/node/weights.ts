import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fail, quote } from "../fail.ts";
import { isObject, parseObject } from "../json.ts";
import type { StoredTensor } from "../parse.ts";
import { openToRead, readWhole } from "./file.ts";
import { type LocatedTensor, readLocated } from "./located.ts";
import { locatePytorch } from "./pytorch-file.ts";
import { locateSafetensors } from "./safetensors-file.ts";

/** In the order in which a folder is searched, as transformers does. */
const NAMES = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
];

/** An index of 100,000 tensors has 10 MB. */
const MAX_INDEX = 2 ** 26;

/** A checkpoint whose files are checked and whose tensors are not read yet. */
export interface Weights {
  /** The file, or the index of shards, that it was read from. */
  readonly path: string;
  /** Name to type, shape and place. */
  readonly tensors: ReadonlyMap<string, LocatedTensor>;
  /**
   * Reads tensors one at a time, in the order of their bytes. Each is a view of the same memory, as large as the largest of them: what is
   * kept must be copied or converted before the next one is asked for.
   *
   * @param names which ones; all by default
   * @throws KdError when a name isn't there or a file has changed
   */
  stream(names?: Iterable<string>, options?: StreamWeights): AsyncGenerator<[name: string, tensor: StoredTensor], void>;
}

/** Options of {@link Weights}' `stream`. */
export interface StreamWeights {
  /** The caller's own memory, of the tensor's `length`, to read it into; undefined: the shared one. @defaultValue none */
  readonly into?: (name: string, tensor: LocatedTensor) => Uint8Array | undefined;
}

/**
 * Opens a checkpoint: a `.safetensors` or PyTorch `.bin` file, an index of shards (`*.index.json`), or a folder that holds
 * `model.safetensors`, its index, `pytorch_model.bin` or its index. Reads headers only. Shards lie beside their index; no name leads out of
 * the folder. A PyTorch file is read as data: nothing in it is called.
 *
 * @throws KdError `KD_SAFETENSORS` (`KD_WEIGHTS` for PyTorch files) when nothing of the kind is there, a shard is missing or broken, or
 * lacks a tensor of the index.
 */
export async function openWeights(path: string): Promise<Weights> {
  const file = await locate(path);
  const tensors = file.endsWith(".json") ? await locateShards(file) : await locateFile(file);
  return { path: file, tensors, stream: (names, options) => stream(file, tensors, { names, ...options }) };
}

/** All tensors of a checkpoint, one at a time: {@link openWeights} and its `stream` in one. */
export async function* streamWeights(path: string): AsyncGenerator<[name: string, tensor: StoredTensor], void> {
  yield* (await openWeights(path)).stream();
}

/** All tensors of a checkpoint in memory, each with memory of its own. */
export async function readWeights(path: string): Promise<Map<string, StoredTensor>> {
  const weights = new Map<string, StoredTensor>();
  for await (const [name, tensor] of streamWeights(path))
    weights.set(name, { ...tensor, data: Uint8Array.from(tensor.data) });
  return weights;
}

async function locate(path: string): Promise<string> {
  if (!(await kindOf(path))?.isDirectory()) return path;
  for (const name of NAMES) if ((await kindOf(join(path, name)))?.isFile()) return join(path, name);
  return fail(path, `expected ${NAMES.slice(0, -1).join(", ")} or ${NAMES.at(-1)} in this folder, got none`);
}

const kindOf = (path: string) => stat(path).catch(() => undefined);

const locateFile = (path: string): Promise<Map<string, LocatedTensor>> =>
  /\.(bin|pt|pth)$/.test(path) ? locatePytorch(path) : locateSafetensors(path);

async function locateShards(index: string): Promise<Map<string, LocatedTensor>> {
  const text = new TextDecoder().decode(await readWhole(index, MAX_INDEX));
  const { weight_map: map } = parseObject(text, index);
  if (!isObject(map)) fail(index, `expected weight_map to map tensors to files, got ${quote(map)}`);
  const suffix = index.endsWith(".bin.index.json") ? ".bin" : ".safetensors";
  const shards = new Map<string, Map<string, LocatedTensor>>();
  const tensors = new Map<string, LocatedTensor>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || !isPlainName(shard, suffix))
      fail(index, `expected a file name ending in ${suffix} for ${quote(name)}, got ${quote(shard)}`);
    const path = join(dirname(index), shard);
    const found = shards.get(shard) ?? (await locateFile(path));
    shards.set(shard, found);
    tensors.set(name, found.get(name) ?? fail(path, `expected tensor ${quote(name)} of ${basename(index)}, got none`));
  }
  return tensors;
}

/** A file beside the index: no separator of any system, no drive, no parent. */
function isPlainName(name: string, suffix: string): boolean {
  return /^[^/\\:\0]+$/.test(name) && name.endsWith(suffix) && name !== suffix;
}

async function* stream(
  path: string,
  tensors: ReadonlyMap<string, LocatedTensor>,
  { names = tensors.keys(), into }: StreamWeights & { readonly names?: Iterable<string> | undefined },
): AsyncGenerator<[name: string, tensor: StoredTensor], void> {
  const wanted = [...names].map(
    (name) => [name, tensors.get(name) ?? fail(path, `expected tensor ${quote(name)}, got none`)] as const,
  );
  const files = [...new Set(wanted.map(([, { file }]) => file))];
  let shared: ArrayBuffer | undefined;
  const inShared = (length: number) => {
    shared ??= new ArrayBuffer(wanted.reduce((most, [, tensor]) => Math.max(most, tensor.length), 0));
    return new Uint8Array(shared, 0, length);
  };
  for (const file of files) {
    const handle = await openToRead(file);
    try {
      const here = wanted.filter(([, t]) => t.file === file).sort(([, a], [, b]) => a.position - b.position);
      for (const [name, tensor] of here)
        yield [name, await readLocated(handle, tensor, into?.(name, tensor) ?? inShared(tensor.length))];
    } finally {
      await handle.close();
    }
  }
}
