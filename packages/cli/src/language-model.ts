import { join } from "node:path";
import { KdError } from "@kd/contract";
import { toFloat32 } from "@kd/safetensors";
import { readWeights } from "@kd/safetensors/node";
import { parseSlmConfig, type SlmConfig, slmShapes } from "@kd/slm";
import { type Params, tensor } from "@kd/tensor-core";
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
 * @throws KdError `KD_CONFIG` for another architecture, `KD_WEIGHTS` for a missing or misshapen tensor.
 */
export async function readLanguageModel(folder: string): Promise<LanguageModel> {
  const path = join(folder, "config.json");
  const raw = await readJson(path);
  const config = parseSlmConfig(raw, path);
  return { config, params: await readParams(folder, slmShapes(config), (name) => PREFIX + name) };
}

/** The tensors of these names and shapes, in float32; others of the folder are left alone. */
export async function readParams(
  folder: string,
  shapes: ReadonlyMap<string, readonly number[]>,
  rename: (name: string) => string,
): Promise<Params> {
  const params: Params = new Map();
  for (const [stored, weight] of await readWeights(folder)) {
    const name = rename(stored);
    const shape = shapes.get(name);
    if (shape === undefined) continue;
    if (shape.join() !== weight.shape.join())
      throw new KdError(
        "KD_WEIGHTS",
        `${folder}: "${stored}" must be [${shape.join(", ")}], got [${weight.shape.join(", ")}]; check config.json`,
      );
    params.set(name, tensor(Float32Array.from(toFloat32(weight)), [...shape]));
  }
  const missing = [...shapes.keys()].find((name) => !params.has(name));
  if (missing !== undefined)
    throw new KdError("KD_WEIGHTS", `${folder}: tensor "${missing}" is missing; the weights are of another model`);
  return params;
}
