import { KdError } from "@kd/contract";
import { z } from "zod";
import { type TextConfig, textConfigSchema } from "./text-config.ts";
import { type VisionConfig, visionConfigSchema } from "./vision-config.ts";

/** What the graphs depend on, defaults filled in. */
export interface ExportConfig {
  readonly vision_config: VisionConfig;
  readonly text_config: TextConfig;
  readonly image_token_index: number;
  readonly vision_feature_select_strategy: "default" | "full";
  readonly projector_hidden_act: "gelu" | "gelu_pytorch_tanh" | "quick_gelu" | "silu";
  readonly multimodal_projector_bias: boolean;
  /** Indices into the tower's `hidden_states`, none negative; features of several are laid side by side. */
  readonly featureLayers: readonly number[];
  /** The head is the embedding. */
  readonly tied: boolean;
}

const llavaSchema = z.object({
  model_type: z.literal("llava"),
  vision_config: visionConfigSchema,
  text_config: textConfigSchema,
  image_token_index: z.int().nonnegative().optional(),
  image_token_id: z.int().nonnegative().optional(), // its name in newer transformers
  vision_feature_layer: z.union([z.int(), z.array(z.int()).min(1)]).default(-2),
  vision_feature_select_strategy: z.enum(["default", "full"]).default("default"),
  projector_hidden_act: z.enum(["gelu", "gelu_pytorch_tanh", "quick_gelu", "silu"]).default("gelu"),
  multimodal_projector_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(false),
});

/**
 * Reads a Hugging Face LLaVA `config.json`: SigLIP or CLIP, Qwen2 or Llama.
 *
 * @throws KdError `KD_CONFIG` naming the field.
 */
export function parseExportConfig(value: unknown, where = "config.json"): ExportConfig {
  const { success, data, error } = llavaSchema.safeParse(value);
  if (!success) throw new KdError("KD_CONFIG", `${where}: ${z.prettifyError(error)}; correct the file`);
  const { image_token_index, image_token_id, vision_feature_layer, tie_word_embeddings, ...config } = data;
  const { text_config: text, vision_config: vision } = config;
  const image = image_token_index ?? image_token_id;
  if (image === undefined || image >= text.vocab_size)
    throw new KdError(
      "KD_CONFIG",
      `${where}: image_token_index must be an id below vocab_size ${text.vocab_size}, as the embedding is asked for its row, got ${image ?? "none"}; add the token to tokenizer and embedding`,
    );
  const depth = vision.num_hidden_layers;
  const featureLayers = [vision_feature_layer].flat().map((layer) => {
    const index = layer < 0 ? depth + 1 + layer : layer;
    if (index >= 0 && index <= depth) return index;
    throw new KdError(
      "KD_CONFIG",
      `${where}: vision_feature_layer must be from ${-depth - 1} to ${depth}, got ${layer}; correct the file`,
    );
  });
  return { ...config, image_token_index: image, featureLayers, tied: text.tie_word_embeddings ?? tie_word_embeddings };
}

/** N, the rows that the tower gives for a picture, and those of its patches alone. */
export function visualTokens({ vision_config: vision, vision_feature_select_strategy: strategy }: ExportConfig): {
  readonly tokens: number;
  readonly patches: number;
} {
  const patches = Math.floor(vision.image_size / vision.patch_size) ** 2;
  const rows = patches + (vision.model_type === "clip_vision_model" ? 1 : 0);
  return { patches, tokens: strategy === "full" ? rows : rows - 1 };
}
