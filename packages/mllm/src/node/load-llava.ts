import { KdError } from "@kd/contract";
import { type StoredTensor, toFloat32, toHalf } from "@kd/safetensors";
import { loadParams } from "@kd/slm/node";
import type { HalfFormat } from "@kd/tensor-core";
import { digestOf, digestOfBf16 } from "../digest.ts";
import { trainableParams } from "../init.ts";
import { type Llava, llavaOf } from "../llava.ts";
import { llavaShapes, VISION } from "../names.ts";
import { hashTower } from "../tower-hash.ts";
import { openLlava } from "./open-llava.ts";

const KEEPS: readonly string[] = ["float32", "bf16", "fp16"];

/** Options of {@link loadLlava}. */
export interface LoadLlava {
  /** How its pixels are made; part of the tower's hash. @defaultValue "" */
  readonly processor?: string;
  /**
   * Keeps every weight in 16 bits outside the engine's memory and widens it while a layer runs: half the memory, for a model that is not
   * trained. Weights of another type are rounded. @defaultValue "float32"
   */
  readonly keep?: "float32" | HalfFormat;
  /**
   * The id that stands for a visual token, for a TinyLLaVA folder, whose own is -200 and no row of the embedding.
   *
   * @defaultValue the tokenizer's `<image>`, or the first id after its last
   */
  readonly imageTokenId?: number;
  /** LLaVA-NeXT, too, which reads pictures in tiles: its batches need `pictures`. @defaultValue false: refused */
  readonly tiles?: boolean;
}

/**
 * Loads a model's folder, recognised by what is in it: Hugging Face's LLaVA (names of any transformers version; `model.safetensors` or
 * `pytorch_model.bin`, one or sharded), TinyLLaVA and LLaVA-KD's release in one file or in parts. Tensors are read one at a time.
 *
 * @throws KdError `KD_CONFIG`, `KD_SAFETENSORS` or `KD_WEIGHTS` naming file and field or tensor.
 */
export async function loadLlava(
  folder: string,
  { processor = "", keep = "float32", imageTokenId, tiles = false }: LoadLlava = {},
): Promise<Llava> {
  if (!KEEPS.includes(keep))
    throw new KdError("KD_CONFIG", `loadLlava: keep must be one of ${KEEPS.join(", ")}, got "${keep}"`);
  const { config, parts } = await openLlava(folder, { tiles, ...(imageTokenId === undefined ? {} : { imageTokenId }) });
  const digests = new Map<string, string>();
  const onTensor = (name: string, stored: StoredTensor) => {
    const digest = name.startsWith(VISION) ? digestOfStored(stored, keep) : undefined;
    if (digest !== undefined) digests.set(name, digest);
  };
  const params = trainableParams(await loadParams(parts, { shapes: llavaShapes(config), ignored, keep, onTensor }));
  return llavaOf({ config, params, tower: await hashTower(config, params, { processor, digests }) });
}

/** Of the numbers as they are kept, where they need not be made for it: reading a tower back costs as much as loading it. */
function digestOfStored(stored: StoredTensor, keep: "float32" | HalfFormat): string | undefined {
  if (stored.dtype === "BF16" && keep !== "fp16") return digestOfBf16(toHalf(stored, "BF16"));
  return stored.dtype === "F32" && keep === "float32" ? digestOf(toFloat32(stored)) : undefined;
}

/** What the model doesn't read: SigLIP's pooling head, a tied head stored again, buffers of positions. */
function ignored(name: string): boolean {
  return (
    name.startsWith(`${VISION}vision_model.head.`) ||
    name === "language_model.lm_head.weight" ||
    name.endsWith("position_ids") ||
    name.endsWith("rotary_emb.inv_freq")
  );
}
