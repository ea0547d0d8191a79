import { type LlavaConfig, parseLlavaConfig } from "@kd/mllm";
import { ENCODER_CONFIG } from "../encoder/pretrain-encoder.ts";
import { IMAGE_ID } from "./text.ts";

export type Size = "student" | "teacher";

const SIZES = {
  student: { hidden_size: 64, intermediate_size: 160, num_hidden_layers: 2, num_attention_heads: 4 },
  teacher: { hidden_size: 128, intermediate_size: 336, num_hidden_layers: 4, num_attention_heads: 4 },
} as const;

/** A Qwen2-like decoder on the shared tower; student about 0.16 M parameters, teacher 0.92 M, tower 0.45 M. */
export function llavaConfig(size: Size, vocabularySize: number): LlavaConfig {
  return parseLlavaConfig({
    vision_config: ENCODER_CONFIG,
    text_config: { model_type: "qwen2", ...SIZES[size], vocab_size: vocabularySize, tie_word_embeddings: true },
    image_token_index: IMAGE_ID,
    vision_feature_layer: -1,
    vision_feature_select_strategy: "full",
  });
}
