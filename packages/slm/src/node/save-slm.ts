import { KdError } from "@kd/contract";
import type { Tensor } from "@kd/tensor-core";
import { slmConfigJson } from "../config.ts";
import type { Slm } from "../lora/adapter.ts";
import { LLAVA_PREFIX, slmShapes } from "../names.ts";
import { writeFolder } from "./write-folder.ts";

/**
 * Writes a folder that transformers' `AutoModelForCausalLM` loads.
 *
 * @param options.dtype "F32" by default
 * @throws KdError `KD_CONFIG` when the folder exists or the model has an adapter, `KD_WEIGHTS` for a missing parameter.
 */
export async function saveSlm(
  { config, params, prefix = LLAVA_PREFIX }: Slm,
  folder: string,
  { dtype = "F32" }: { readonly dtype?: "F32" | "F16" | "BF16" } = {},
): Promise<void> {
  const json = { "config.json": slmConfigJson(config) };
  const tensors = [...slmShapes(config, prefix).keys()].map((name): [string, Tensor] => {
    const value = params.get(name);
    if (value === undefined) throw new KdError("KD_WEIGHTS", `saveSlm: no parameter "${name}"; check the prefix`);
    return [name.slice(prefix.length), value];
  });
  await writeFolder(folder, { weights: { file: "model.safetensors", tensors }, dtype, json });
}
