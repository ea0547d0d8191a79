import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { KdError } from "@kd/contract";
import { writeWeights } from "@kd/safetensors/node";
import { slmConfigJson } from "@kd/slm";
import type { Tensor, Variable } from "@kd/tensor-core";
import type { Llava } from "../llava.ts";
import { type ModelCard, modelCard } from "../model-card.ts";
import { visualTokens } from "../visual-tokens.ts";

/** What {@link saveLlava} writes beside weights and configuration, and how. */
export interface SaveLlava {
  /** More files by plain name: `tokenizer.json`, `preprocessor_config.json`; a `README.md` takes the place of the card. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** What the card says: teacher, data, results. @defaultValue the folder's name and nothing else */
  readonly card?: ModelCard;
  /** @defaultValue "F32" */
  readonly dtype?: "F32" | "F16" | "BF16";
  /** Bytes of a file of weights. @defaultValue 5e9, as transformers */
  readonly maxShardSize?: number;
}

/**
 * Writes a folder that Hugging Face's `LlavaForConditionalGeneration` loads, with a model card. It is written aside, a tensor at a time, and
 * renamed, so that it is there whole or not at all.
 *
 * @throws KdError `KD_CONFIG` when the folder exists, the model has an adapter, or a file's name leads out of it; `KD_WEIGHTS` for numbers that
 * F16 cannot hold.
 */
export async function saveLlava(
  model: Llava,
  folder: string,
  { files = {}, card = { name: basename(folder) }, dtype = "F32", maxShardSize = 5e9 }: SaveLlava = {},
): Promise<void> {
  if ((await stat(folder).catch(() => undefined)) !== undefined)
    throw new KdError("KD_CONFIG", `saveLlava: ${folder} exists; remove it or choose another folder`);
  for (const name of Object.keys(files))
    if (name !== basename(name) || name.startsWith(".") || /[\\:]/.test(name))
      throw new KdError("KD_CONFIG", `saveLlava: expected a plain file name, got "${name}"`);
  const config = configOf(model, dtype);
  const aside = `${folder}.partial`;
  await rm(aside, { recursive: true, force: true });
  try {
    await mkdir(aside, { recursive: true });
    const tensors = [...model.params].map(
      ([name, value]) => [name, { dtype, shape: value.shape, data: () => valuesOf(name, value, dtype) }] as const,
    );
    await writeWeights(aside, tensors, { maxShardSize });
    await writeFile(join(aside, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
    for (const [name, contents] of Object.entries({ "README.md": modelCard(model.config, card), ...files }))
      await writeFile(join(aside, name), contents);
    await rename(aside, folder);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    throw error;
  }
}

async function valuesOf(name: string, value: Tensor | Variable, dtype: string): Promise<Float32Array> {
  const values = (await value.data()) as Float32Array;
  const most = dtype === "F16" ? values.reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 0) : 0;
  if (most >= 65520)
    throw new KdError("KD_WEIGHTS", `saveLlava: "${name}" holds ${most}, beyond F16's 65504; save as BF16 or F32`);
  return values;
}

const TORCH = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

function configOf({ config }: Llava, dtype: keyof typeof TORCH): object {
  const { vision_config, text_config, ...rest } = config;
  return {
    ...(config.image_grid_pinpoints === undefined
      ? { architectures: ["LlavaForConditionalGeneration"], model_type: "llava" }
      : { architectures: ["LlavaNextForConditionalGeneration"], model_type: "llava_next" }),
    torch_dtype: TORCH[dtype],
    ...rest,
    image_seq_length: visualTokens(config),
    projector_hidden_act: "gelu",
    tie_word_embeddings: text_config.tie_word_embeddings,
    text_config: slmConfigJson(text_config),
    vision_config: {
      ...vision_config,
      ...(vision_config.model_type === "siglip_vision_model" ? { vision_use_head: false } : {}),
    },
  };
}
