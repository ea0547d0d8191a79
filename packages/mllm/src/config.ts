import { KdError } from "@kd/contract";
import { type SlmConfig, slmConfigSchema } from "@kd/slm";
import { type SiglipVisionConfig, siglipVisionConfigSchema } from "@kd/vision-encoder";
import { z } from "zod";

/** A vision-language model of the LLaVA family, under the names of Hugging Face's `config.json`. */
export interface LlavaConfig {
  readonly vision_config: SiglipVisionConfig;
  readonly text_config: SlmConfig;
  /** Id of the image token; it stands N times in a sample, once a visual token. */
  readonly image_token_index: number;
  /** Index into the tower's `hidden_states`. */
  readonly vision_feature_layer: number;
  /** `full` keeps every patch; `default` drops the first, as the authors' `patch` does. */
  readonly vision_feature_select_strategy: "default" | "full";
  /** Hugging Face's default is true. */
  readonly multimodal_projector_bias: boolean;
}

const llavaConfigSchema = z.object({
  vision_config: z.intersection(
    siglipVisionConfigSchema,
    z.object({ model_type: z.literal("siglip_vision_model").optional() }),
  ),
  text_config: slmConfigSchema,
  image_token_index: z.int().nonnegative(),
  vision_feature_layer: z.int().default(-2),
  vision_feature_select_strategy: z.enum(["default", "full"]).default("default"),
  projector_hidden_act: z.literal("gelu").default("gelu"),
  multimodal_projector_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().optional(),
});

/**
 * Reads a LLaVA `config.json`.
 *
 * @throws KdError `KD_CONFIG` naming the field.
 */
export function parseLlavaConfig(value: unknown, where = "config.json"): LlavaConfig {
  const { success, data, error } = llavaConfigSchema.safeParse(value);
  if (!success) throw new KdError("KD_CONFIG", `${where}: ${z.prettifyError(error)}; correct the file`);
  const { projector_hidden_act: _, tie_word_embeddings: __, ...config } = data;
  return config;
}
