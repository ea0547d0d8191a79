import { join } from "node:path";
import { loadParams } from "@kd/mllm/node";
import { openWeights } from "@kd/safetensors/node";
import { parseSlmConfig, type SlmConfig, slmShapes } from "@kd/slm";
import type { Params } from "@kd/tensor-core";
import { readJson } from "./json-file.ts";

/** Where a LLaVA model keeps its language model. */
const PREFIX = "language_model.";

/** A language model alone: what `config.json` of a folder says, and its weights under the names that they have in a LLaVA model. */
export interface LanguageModel {
  readonly config: SlmConfig;
  /** The caller's to dispose. */
  readonly params: Params;
}

/**
 * Reads a language model's folder (`Qwen2ForCausalLM`, `LlamaForCausalLM`).
 *
 * @throws KdError `KD_CONFIG` for another architecture, `KD_WEIGHTS` for a missing, foreign or misshapen tensor.
 */
export async function readLanguageModel(folder: string): Promise<LanguageModel> {
  const path = join(folder, "config.json");
  const config = parseSlmConfig(await readJson(path), path);
  const params = await loadParams([{ weights: await openWeights(folder) }], {
    shapes: slmShapes(config),
    rename: (name) => PREFIX + name,
    ignored: (name) => name.endsWith("lm_head.weight") || name.endsWith("rotary_emb.inv_freq"),
  });
  return { config, params };
}
