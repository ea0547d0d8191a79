import { z } from "zod";

/** What the tower's graph depends on. */
export interface VisionConfig {
  readonly model_type: "siglip_vision_model" | "clip_vision_model";
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** C */
  readonly num_channels: number;
  /** Side of the square picture, in pixels. */
  readonly image_size: number;
  /** Side of a patch, in pixels; pixels beyond the last whole patch are not read. */
  readonly patch_size: number;
  readonly layer_norm_eps: number;
  readonly hidden_act: "gelu_pytorch_tanh" | "gelu" | "quick_gelu";
}

const size = z.int().positive();

/** Hugging Face's defaults: google/siglip-base-patch16-224 and openai/clip-vit-base-patch32. */
const towerSchema = <T extends VisionConfig["model_type"]>(
  type: T,
  { patch, activation, epsilon }: { patch: number; activation: VisionConfig["hidden_act"]; epsilon: number },
) =>
  z.object({
    model_type: z.literal(type),
    hidden_size: size.default(768),
    intermediate_size: size.default(3072),
    num_hidden_layers: size.default(12),
    num_attention_heads: size.default(12),
    num_channels: size.default(3),
    image_size: size.default(224),
    patch_size: size.default(patch),
    layer_norm_eps: z.number().positive().default(epsilon),
    hidden_act: z.enum(["gelu_pytorch_tanh", "gelu", "quick_gelu"]).default(activation),
  });

/** A `vision_config` of SigLIP or CLIP. */
export const visionConfigSchema: z.ZodType<VisionConfig> = z
  .discriminatedUnion("model_type", [
    towerSchema("siglip_vision_model", { patch: 16, activation: "gelu_pytorch_tanh", epsilon: 1e-6 }),
    towerSchema("clip_vision_model", { patch: 32, activation: "quick_gelu", epsilon: 1e-5 }),
  ])
  .refine((c) => c.hidden_size % c.num_attention_heads === 0, {
    error: "num_attention_heads must divide hidden_size",
    path: ["num_attention_heads"],
  });
