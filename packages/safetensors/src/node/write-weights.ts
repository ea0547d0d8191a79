import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesFor, type Named, type WritableTensor } from "../serialize.ts";
import { type StreamedTensor, writeSafetensors } from "./write.ts";

/** Options of {@link writeWeights}. */
export interface WriteWeights {
  /** Bytes of tensors a file; a tensor that is larger gets one of its own. @defaultValue 5e9, as transformers' `max_shard_size` */
  readonly maxShardSize?: number;
  /** Of every file. @defaultValue `{ format: "pt" }`, without which transformers refuses a file */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes a checkpoint into a folder: `model.safetensors`, or shards `model-00001-of-0000N.safetensors` with their index, which comes last.
 * A tensor at a time.
 *
 * @throws KdError `KD_SAFETENSORS` when a tensor doesn't fit its type and shape; the file system's own errors otherwise.
 */
export async function writeWeights(
  folder: string,
  tensors: Iterable<Named<WritableTensor | StreamedTensor>>,
  { maxShardSize = 5e9, metadata = { format: "pt" } }: WriteWeights = {},
): Promise<void> {
  const shards: Named<WritableTensor | StreamedTensor>[][] = [[]];
  let [inShard, total] = [0, 0];
  for (const [name, tensor] of tensors) {
    const size = bytesFor(name, tensor);
    if (inShard > 0 && inShard + size > maxShardSize) {
      shards.push([]);
      inShard = 0;
    }
    shards.at(-1)?.push([name, tensor]);
    inShard += size;
    total += size;
  }
  if (shards.length === 1) return writeSafetensors(join(folder, "model.safetensors"), shards[0] ?? [], metadata);
  const five = (n: number) => String(n).padStart(5, "0");
  const map: [string, string][] = [];
  for (const [i, shard] of shards.entries()) {
    const file = `model-${five(i + 1)}-of-${five(shards.length)}.safetensors`;
    await writeSafetensors(join(folder, file), shard, metadata);
    for (const [name] of shard) map.push([name, file]);
  }
  map.sort(([a], [b]) => (a < b ? -1 : 1));
  const index = { metadata: { total_size: total }, weight_map: Object.fromEntries(map) };
  await writeFile(join(folder, "model.safetensors.index.json"), `${JSON.stringify(index, null, 2)}\n`);
}
