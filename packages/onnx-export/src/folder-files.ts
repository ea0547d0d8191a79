import { type ExportConfig, visualTokens } from "./config.ts";
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

/** `config.json`: what was there, with the sizes that transformers.js reads and doesn't assume, and how the files are stored. */
export function configJson(
  { config: raw }: Source,
  { text_config: text, image_token_index }: ExportConfig,
  { dtype, external }: { readonly dtype: string; readonly external: Readonly<Record<string, number>> },
): Json {
  const { vocab_size, hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim } = text;
  const sizes = { vocab_size, hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim };
  const files = Object.keys(external).length === 0 ? {} : { use_external_data_format: external };
  return {
    ...raw,
    architectures: ["LlavaForConditionalGeneration"],
    image_token_index, // 3.x reads no other name
    text_config: { ...(raw.text_config as Json), ...sizes },
    "transformers.js_config": { dtype, ...files },
  };
}

/** `preprocessor_config.json`, under the class that repeats the image token in a text. */
export const preprocessorJson = (source: Source, config: ExportConfig): Json => ({
  ...preprocessorOf(source, config),
  processor_class: "LlavaProcessor",
});

/**
 * `processor_config.json`. transformers.js writes (H/p)·(W/p) + `num_additional_image_tokens` image tokens whatever the strategy is, so that
 * what the tower gives is said here by that number, and the strategy is `full`, which takes nothing off in Python either.
 */
export function processorJson(source: Source, config: ExportConfig): Json {
  const { tokens, patches } = visualTokens(config);
  return {
    processor_class: "LlavaProcessor",
    image_token: imageTokenOf(source, config),
    patch_size: config.vision_config.patch_size,
    num_additional_image_tokens: tokens - patches,
    vision_feature_select_strategy: "full",
  };
}

/** `tokenizer_config.json` with the chat template in it, where transformers.js looks for it. */
export const tokenizerJson = ({ tokenizerConfig, processor, template }: Source): Json => {
  const found = tokenizerConfig.chat_template ?? template ?? processor.chat_template;
  return found === undefined ? tokenizerConfig : { ...tokenizerConfig, chat_template: found };
};

/** `generation_config.json`: the model's own, or the ids that its configuration names, so that an answer ends. */
export function generationJson({ generation, config }: Source): Json {
  if (generation !== undefined) return generation;
  const text = config.text_config as Json | undefined;
  const ids = ["bos_token_id", "eos_token_id", "pad_token_id"].map((name) => [name, config[name] ?? text?.[name]]);
  return Object.fromEntries(ids.filter(([, id]) => id !== undefined && id !== null));
}
