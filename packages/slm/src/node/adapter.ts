import { join } from "node:path";
import { KdError } from "@kd/contract";
import { readSafetensors } from "@kd/safetensors/node";
import type { Tensor } from "@kd/tensor-core";
import type { Adapter } from "../lora/adapter.ts";
import { parseLoraConfig } from "../lora/config.ts";
import { type AdapterPlace, adapterOf, peftConfig, peftNames } from "../lora/peft.ts";
import { LLAVA_PREFIX } from "../names.ts";
import { readJson } from "./read-json.ts";
import { writeFolder } from "./write-folder.ts";

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";

/**
 * Loads a PEFT folder (`adapter_config.json` and `adapter_model.safetensors`) for a decoder; give it to `withAdapter`.
 *
 * @throws KdError `KD_CONFIG` for an adapter that is not plain LoRA, `KD_WEIGHTS` for one of another model, naming file and field or tensor.
 */
export async function loadAdapter(folder: string, place: AdapterPlace): Promise<Adapter> {
  const lora = parseLoraConfig(await readJson(join(folder, CONFIG)), join(folder, CONFIG));
  const where = join(folder, WEIGHTS);
  return adapterOf((await readSafetensors(where)).tensors, lora, { ...place, where });
}

/** Options of {@link saveAdapter}. */
export interface SaveAdapter extends AdapterPlace, Pick<Adapter, "params"> {
  /** What PEFT shall load beneath it, a folder or an id: `base_model_name_or_path`. @defaultValue none */
  readonly baseModel?: string;
  /** @defaultValue "F32" */
  readonly dtype?: "F32" | "F16" | "BF16";
}

/**
 * Writes the adapter among a model's parameters as a folder that Python's PEFT loads.
 *
 * @throws KdError `KD_CONFIG` when the folder exists, or the model has no adapter.
 */
export async function saveAdapter(folder: string, options: SaveAdapter): Promise<void> {
  const { config, params, prefix = LLAVA_PREFIX, baseModel, dtype = "F32" } = options;
  const names = peftNames(params);
  if (config.lora === undefined || names.size === 0)
    throw new KdError("KD_CONFIG", "saveAdapter: expected a model with an adapter, got none; take it from withAdapter");
  const tensors = [...names].map(([name, stored]) => [stored, params.get(name) as Tensor] as const);
  const json = { [CONFIG]: peftConfig(config.lora, prefix, baseModel) };
  await writeFolder(folder, { weights: { file: WEIGHTS, tensors }, dtype, json });
}
