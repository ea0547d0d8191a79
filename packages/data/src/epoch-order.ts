import { KdError } from "@kd/contract";
import { absolute, lengthBuckets } from "./length-groups.ts";
import { modalityGroups } from "./modality-groups.ts";
import { torchPermutation, torchRandom } from "./torch-random.ts";

/** How an epoch's order comes about. */
export type SamplerName = "modality-length" | "modality-length-llava" | "length" | "shuffle" | "sequential";

/** What an order depends on. */
export interface EpochOrder {
  /** `modality-length`: TinyLLaVA's `group_by_modality_length`, LLaVA-KD's; `modality-length-llava`: LLaVA's, which ends otherwise; `length`: Hugging Face's `group_by_length`. */
  readonly sampler: SamplerName;
  /** Of the run; epoch e takes `seed + e`, as PyTorch's DistributedSampler does. */
  readonly seed: number;
  /** From 0. */
  readonly epoch: number;
  /** Samples of one rank's micro-batch: the reference groups without gradient accumulation. */
  readonly batchSize: number;
  /** Ranks. @defaultValue 1 */
  readonly worldSize?: number;
}

/**
 * One epoch's order over all ranks, the one that PyTorch's generator gives after `manual_seed(seed + epoch)`.
 *
 * @param lengths words of each record, negative for text only, as {@link RecordSource} has them
 * @throws KdError `KD_DATA` when a size is not a positive whole number, or the sampler has no such name
 */
export function epochOrder(lengths: ArrayLike<number>, options: EpochOrder): Uint32Array {
  const { sampler, seed, epoch, batchSize, worldSize = 1 } = options;
  for (const [name, value] of Object.entries({ batchSize, worldSize }))
    if (!Number.isInteger(value) || value < 1)
      throw new KdError("KD_DATA", `epochOrder: expected ${name} of at least 1, got ${value}; pass a whole number`);
  const random = torchRandom(seed + epoch);
  switch (sampler) {
    case "modality-length":
    case "modality-length-llava":
      return modalityGroups(lengths, { batchSize, worldSize, random, mergedLast: sampler === "modality-length-llava" });
    case "length":
      return lengthBuckets(absolute(lengths), { batchSize, random });
    case "shuffle":
      return torchPermutation(lengths.length, random);
    case "sequential":
      return new Uint32Array(lengths.length).map((_, i) => i);
    default:
      throw new KdError(
        "KD_DATA",
        `epochOrder: expected sampler modality-length, modality-length-llava, length, shuffle or sequential, got ${sampler}; choose one`,
      );
  }
}
