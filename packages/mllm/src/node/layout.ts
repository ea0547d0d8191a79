import { stat } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { openWeights, type Weights } from "@kd/safetensors/node";
import { type LlavaConfig, parseLlavaConfig } from "../config.ts";
import { olderName, VISION } from "../names.ts";
import { fromTinyLlavaConfig, isTinyLlava } from "../tiny-llava-config.ts";
import { checkVocabulary } from "../visual-tokens.ts";
import { readJson, readJsonIfThere } from "./read-json.ts";
import { tokenizerIds } from "./tokenizer-ids.ts";

/** One checkpoint of a folder and what its names are in memory. */
export interface Part {
  readonly weights: Weights;
  readonly rename: (stored: string) => string;
}

/** A folder that was recognised, its weights not read yet. */
export interface Layout {
  readonly config: LlavaConfig;
  readonly parts: readonly Part[];
  /** Whether the file itself says if the head is the embedding; where it does not, the weights do. */
  readonly saysTied: boolean;
}

/** TinyLLaVA's folders of parts, and the names that theirs begin with. */
const COMPONENTS: Readonly<Record<string, (stored: string) => string>> = {
  language_model: (name) => `language_model.${name}`,
  vision_tower: (name) => `${VISION}${name.replace(/^_vision_tower\./, "")}`,
  connector: (name) => olderName(`connector.${name}`),
};

/**
 * Recognises a model's folder by what is in it: Hugging Face's LLaVA, TinyLLaVA in one file, or TinyLLaVA in parts.
 *
 * @throws KdError `KD_CONFIG` naming the file and field, `KD_SAFETENSORS` or `KD_WEIGHTS` naming a broken file of weights.
 */
export async function recognise(folder: string, imageTokenId: number | undefined): Promise<Layout> {
  const file = join(folder, "config.json");
  const raw = await readJson(file, "a LLaVA config.json");
  await refuseAdapter(folder);
  const value = isTinyLlava(raw) ? await tinyConfig(raw, folder, imageTokenId) : raw;
  const config = parseLlavaConfig(value, file);
  const parts = (await isFolder(join(folder, "connector")))
    ? await Promise.all(
        Object.entries(COMPONENTS).map(async ([name, rename]) => ({
          weights: await openWeights(join(folder, name)),
          rename,
        })),
      )
    : [{ weights: await openWeights(folder), rename: olderName }];
  const { text_config: text, tie_word_embeddings: tied } = value as {
    text_config: { tie_word_embeddings?: boolean };
    tie_word_embeddings?: boolean;
  };
  return { config, parts, saysTied: text.tie_word_embeddings !== undefined || tied === false };
}

async function tinyConfig(raw: unknown, folder: string, imageTokenId: number | undefined): Promise<object> {
  const { text_config, vision_config, ...rest } = raw as Record<string, object>;
  const part = async (name: string) =>
    (await readJsonIfThere(join(folder, name, "config.json"), "a part's config.json")) ?? {};
  const value = {
    ...rest,
    text_config: { ...(await part("language_model")), ...text_config },
    vision_config: { ...(await part("vision_tower")), ...vision_config },
  };
  const ids = imageTokenId === undefined ? await tokenizerIds(folder) : undefined;
  const free = ids && (ids.image ?? ids.largest + 1);
  return fromTinyLlavaConfig(value, imageTokenId ?? free, join(folder, "config.json"));
}

/** A PEFT adapter beside base weights: without it the numbers would be the base model's. */
async function refuseAdapter(folder: string): Promise<void> {
  const file = join(folder, "adapter_config.json");
  if ((await stat(file).catch(() => undefined)) !== undefined)
    throw new KdError(
      "KD_CONFIG",
      `${file}: expected a whole model, got one with a PEFT adapter beside it; merge the adapter into the weights, or move it to a folder of its own and load it there`,
    );
}

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() ?? false;

/**
 * Compares a folder's tokenizer with a model's embedding.
 *
 * @throws KdError `KD_CONFIG` when the tokenizer has ids that the embedding has no row for.
 */
export async function checkTokenizer(folder: string, config: LlavaConfig): Promise<void> {
  const ids = await tokenizerIds(folder);
  if (ids !== undefined) checkVocabulary(config, ids.largest, join(folder, "tokenizer.json"));
}
