import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { KdError } from "@kd/contract";
import { writeSafetensors } from "@kd/safetensors/node";
import { slmConfigJson } from "@kd/slm";
import type { Llava } from "../llava.ts";

/** What {@link saveLlava} writes beside weights and configuration, and how. */
export interface SaveLlava {
  /** More files by plain name: `README.md` (the model card), `tokenizer.json`, `preprocessor_config.json`. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** @defaultValue "F32" */
  readonly dtype?: "F32" | "F16" | "BF16";
}

/**
 * Writes a folder that Hugging Face's `LlavaForConditionalGeneration` loads. It is written aside and renamed, so that it is there whole or
 * not at all.
 *
 * @throws KdError `KD_CONFIG` when the folder exists, the model has an adapter, or a file's name leads out of it.
 */
export async function saveLlava(
  model: Llava,
  folder: string,
  { files = {}, dtype = "F32" }: SaveLlava = {},
): Promise<void> {
  if ((await stat(folder).catch(() => undefined)) !== undefined)
    throw new KdError("KD_CONFIG", `saveLlava: ${folder} exists; remove it or choose another folder`);
  const config = configOf(model);
  const aside = `${folder}.partial`;
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside, { recursive: true });
  const tensors: [string, { dtype: "F32" | "F16" | "BF16"; shape: number[]; data: Float32Array }][] = [];
  for (const [name, value] of model.params)
    tensors.push([name, { dtype, shape: value.shape, data: (await value.data()) as Float32Array }]);
  await writeSafetensors(join(aside, "model.safetensors"), tensors, { format: "pt" });
  await writeFile(join(aside, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  for (const [name, contents] of Object.entries(files)) {
    if (name !== basename(name) || name.startsWith("."))
      throw new KdError("KD_CONFIG", `saveLlava: expected a plain file name, got "${name}"`);
    await writeFile(join(aside, name), contents);
  }
  await rename(aside, folder);
}

function configOf({ config }: Llava): object {
  const { vision_config, text_config, ...rest } = config;
  return {
    architectures: ["LlavaForConditionalGeneration"],
    model_type: "llava",
    ...rest,
    projector_hidden_act: "gelu",
    tie_word_embeddings: text_config.tie_word_embeddings,
    text_config: slmConfigJson(text_config),
    vision_config: { model_type: "siglip_vision_model", vision_use_head: false, ...vision_config },
  };
}
