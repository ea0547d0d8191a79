import { type LlavaConfig, visualTokens } from "@kd/mllm";
import { slmConfigJson } from "@kd/slm";
import { patchesOf } from "@kd/vision-encoder";
import { imageTokenOf, preprocessorOf } from "./folder-checks.ts";

/** A parsed JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** The small files of a model's folder. */
export interface Source {
  /** Its path, for errors. */
  readonly folder: string;
  readonly config: Json;
  readonly tokenizer: Json;
  /** The same as it is in the file. */
  readonly tokenizerText: string;
  readonly tokenizerConfig: Json;
  readonly preprocessor: Json;
  /** Empty when there is none. */
  readonly processor: Json;
  readonly generation: Json | undefined;
  /** A chat template from a file of its own. */
  readonly template: string | undefined;
  /** Its README.md. */
  readonly card: string | undefined;
}

/** `config.json`: what was there, as Hugging Face's LLaVA, with every size that transformers.js reads, and how the files are stored. */
export function configJson(
  { config: raw }: Source,
  { vision_config, text_config, ...config }: LlavaConfig,
  { dtype, external }: { readonly dtype: string; readonly external: Readonly<Record<string, number>> },
): Json {
  const files = Object.keys(external).length === 0 ? {} : { use_external_data_format: external };
  return {
    ...(raw.model_type === "llava" ? raw : {}),
    ...config,
    architectures: ["LlavaForConditionalGeneration"],
    model_type: "llava",
    projector_hidden_act: "gelu",
    tie_word_embeddings: text_config.tie_word_embeddings,
    text_config: { ...(raw.text_config as Json), ...slmConfigJson(text_config) },
    vision_config: { ...(raw.vision_config as Json), ...vision_config },
    "transformers.js_config": { dtype, ...files },
  };
}

/** `preprocessor_config.json`, under the class that repeats the image token in a text. */
export const preprocessorJson = (source: Source, config: LlavaConfig): Json => ({
  ...preprocessorOf(source, config),
  processor_class: "LlavaProcessor",
});

/**
 * `processor_config.json`. transformers.js writes (H/p)·(W/p) + `num_additional_image_tokens` image tokens whatever the strategy is, so that
 * what the tower gives is said here by that number, and the strategy is `full`, which takes nothing off in Python either.
 */
export function processorJson(source: Source, config: LlavaConfig): Json {
  return {
    processor_class: "LlavaProcessor",
    image_token: imageTokenOf(source, config),
    patch_size: config.vision_config.patch_size,
    num_additional_image_tokens: visualTokens(config) - patchesOf(config.vision_config),
    vision_feature_select_strategy: "full",
  };
}

/** `tokenizer_config.json` with the chat template in it, where transformers.js looks for it. */
export const tokenizerJson = ({ tokenizerConfig, processor, template }: Source): Json => {
  const found = tokenizerConfig.chat_template ?? template ?? processor.chat_template;
  return found === undefined ? tokenizerConfig : { ...tokenizerConfig, chat_template: found };
};

/** `generation_config.json`: the model's own, or the ids that configuration or tokenizer names, so that an answer ends. */
export function generationJson({ generation, config, tokenizer, tokenizerConfig }: Source): Json {
  if (generation !== undefined) return generation;
  const text = config.text_config as Json | undefined;
  const ids = ["bos", "eos", "pad"].map((kind) => {
    const token = tokenizerConfig[`${kind}_token`] as string | { content: string } | undefined;
    const content = typeof token === "object" ? token?.content : token;
    const added = (tokenizer.added_tokens as { id: number; content: string }[] | undefined) ?? [];
    const id =
      text?.[`${kind}_token_id`] ?? config[`${kind}_token_id`] ?? added.find((one) => one.content === content)?.id;
    return [`${kind}_token_id`, id];
  });
  return Object.fromEntries(ids.filter(([, id]) => id !== undefined));
}
