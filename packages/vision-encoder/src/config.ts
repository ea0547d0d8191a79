import { KdError } from "@kd/contract";
import { z } from "zod";

const size = z.int().positive();

/** A SigLIP vision tower's `config.json`; what Hugging Face leaves out takes its defaults (google/siglip-base-patch16-224). */
export const siglipVisionConfigSchema: z.ZodType<SiglipVisionConfig> = z
  .object({
    hidden_size: size.default(768),
    intermediate_size: size.default(3072),
    num_hidden_layers: size.default(12),
    num_attention_heads: size.default(12),
    num_channels: size.default(3),
    image_size: size.default(224),
    patch_size: size.default(16),
    layer_norm_eps: z.number().positive().default(1e-6),
    hidden_act: z.enum(["gelu_pytorch_tanh", "gelu", "quick_gelu"]).default("gelu_pytorch_tanh"),
  })
  .refine((c) => c.hidden_size % c.num_attention_heads === 0, {
    error: "num_attention_heads must divide hidden_size",
    path: ["num_attention_heads"],
  });

/** Sizes of a SigLIP vision tower, under Hugging Face's names. */
export interface SiglipVisionConfig {
  /** D */
  readonly hidden_size: number;
  /** Width of the MLP. */
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** C */
  readonly num_channels: number;
  /** Side of the square image, in pixels. */
  readonly image_size: number;
  /** Side of a patch, in pixels; pixels beyond the last whole patch are not read. */
  readonly patch_size: number;
  readonly layer_norm_eps: number;
  readonly hidden_act: "gelu_pytorch_tanh" | "gelu" | "quick_gelu";
}

/**
 * Reads the vision part of a `config.json`.
 *
 * @throws KdError `KD_CONFIG` naming the field.
 */
export function parseSiglipConfig(value: unknown, where = "vision_config"): SiglipVisionConfig {
  const { success, data, error } = siglipVisionConfigSchema.safeParse(value);
  if (!success) throw new KdError("KD_CONFIG", `${where}: ${z.prettifyError(error)}; correct the file`);
  return data;
}

/** N, the patches of an image. */
export function patchesOf({ image_size, patch_size }: SiglipVisionConfig): number {
  return Math.floor(image_size / patch_size) ** 2;
}
