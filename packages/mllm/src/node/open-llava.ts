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
export interface LlavaFolder {
  /** What the folder holds: Hugging Face's LLaVA, or TinyLLaVA in one checkpoint or in parts. */
  readonly layout: "llava" | "tinyllava" | "tinyllava-parts";
  readonly config: LlavaConfig;
  readonly parts: readonly Part[];
}

/** TinyLLaVA's folders of parts, and the names that theirs begin with. */
const COMPONENTS: Readonly<Record<string, (stored: string) => string>> = {
  language_model: (name) => `language_model.${name}`,
  vision_tower: (name) => `${VISION}${name.replace(/^_vision_tower\./, "")}`,
  connector: (name) => olderName(`connector.${name}`),
};

/**
 * Recognises a model's folder by what is in it, never by its name, and opens its checkpoints; no tensor is read.
 *
 * @param options as in `loadLlava`
 * @throws KdError `KD_CONFIG` naming the file and field, `KD_SAFETENSORS` or `KD_WEIGHTS` naming a broken file of weights.
 */
export async function openLlava(
  folder: string,
  { imageTokenId, tiles = false }: { readonly imageTokenId?: number; readonly tiles?: boolean } = {},
): Promise<LlavaFolder> {
  const file = join(folder, "config.json");
  const raw = await readJson(file, "a LLaVA config.json");
  await refuseAdapter(folder);
  const tiny = isTinyLlava(raw);
  const value = tiny ? await tinyConfig(raw, folder, imageTokenId) : raw;
  const config = parseLlavaConfig(value, file, { tiles });
  const inParts = tiny && (await isFolder(join(folder, "connector")));
  const parts = inParts
    ? await Promise.all(
        Object.entries(COMPONENTS).map(async ([name, rename]) => ({
          weights: await openWeights(join(folder, name)),
          rename,
        })),
      )
    : [{ weights: await openWeights(folder), rename: olderName }];
  return {
    layout: inParts ? "tinyllava-parts" : tiny ? "tinyllava" : "llava",
    config: withHead(config, parts, value as RawConfig),
    parts,
  };
}

interface RawConfig {
  readonly text_config: { readonly tie_word_embeddings?: boolean };
  readonly tie_word_embeddings?: boolean;
}

/** Where a file does not say whether the head is the embedding, a checkpoint without a head does. */
function withHead(config: LlavaConfig, parts: readonly Part[], raw: RawConfig): LlavaConfig {
  const says = raw.text_config.tie_word_embeddings !== undefined || raw.tie_word_embeddings === false;
  const isHead = (name: string) => name === "language_model.lm_head.weight";
  if (says || parts.some(({ weights, rename }) => [...weights.tensors.keys()].some((name) => isHead(rename(name)))))
    return config;
  return { ...config, text_config: { ...config.text_config, tie_word_embeddings: true } };
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
  const rows = (value.text_config as { vocab_size?: number }).vocab_size ?? Number.POSITIVE_INFINITY;
  const free = ids && (ids.image ?? (ids.largest + 1 < rows ? ids.largest + 1 : undefined));
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
