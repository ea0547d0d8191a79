import { join } from "node:path";
import { openWeights } from "@kd/safetensors/node";
import type { HalfFormat } from "@kd/tensor-core";
import { parseSlmConfig } from "../config.ts";
import type { Slm } from "../lora/adapter.ts";
import { slmShapes } from "../names.ts";
import { loadParams } from "./load-params.ts";
import { readJson } from "./read-json.ts";

/** Options of {@link loadSlm}. */
export interface LoadSlm {
  /** Put before every name: `"language_model."` for the language model of a LLaVA. @defaultValue `""` */
  readonly prefix?: string;
  /** Keeps every weight in 16 bits, for a model that is not trained. @defaultValue "float32" */
  readonly keep?: "float32" | HalfFormat;
}

/**
 * Loads a Hugging Face folder of a Qwen2 or Llama language model, safetensors or `pytorch_model.bin`, one or sharded, a tensor at a time. Its
 * parameters are plain tensors, the caller's to dispose.
 *
 * @throws KdError `KD_CONFIG`, `KD_SAFETENSORS` or `KD_WEIGHTS` naming file and field or tensor.
 */
export async function loadSlm(folder: string, { prefix = "", keep = "float32" }: LoadSlm = {}): Promise<Required<Slm>> {
  const file = join(folder, "config.json");
  const raw = await readJson(file);
  const parsed = parseSlmConfig(raw, file);
  const weights = await openWeights(folder);
  // a configuration that does not say whether the head is the embedding leaves it to the weights
  const says = (raw as { tie_word_embeddings?: boolean }).tie_word_embeddings !== undefined;
  const config = says || weights.tensors.has("lm_head.weight") ? parsed : { ...parsed, tie_word_embeddings: true };
  const params = await loadParams([{ weights, rename: (stored) => prefix + stored }], {
    shapes: slmShapes(config, prefix),
    ignored: (name) => ignored(name.slice(prefix.length)),
    keep,
  });
  return { config, params, prefix };
}

/** A tied head stored again, and tables that old versions saved. */
const ignored = (name: string): boolean => name === "lm_head.weight" || name.endsWith("rotary_emb.inv_freq");
