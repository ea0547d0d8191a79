import { KdError } from "@kd/contract";
import { z } from "zod";
import { TOWERS, type TowerType } from "./towers.ts";

/** Sizes of a vision tower, under Hugging Face's names. */
export interface VisionConfig {
  /** @defaultValue "siglip_vision_model" */
  readonly model_type: TowerType;
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

const size = z.int().positive();
const TYPES = Object.keys(TOWERS) as [TowerType, ...TowerType[]];

/** A vision tower's `config.json`; what Hugging Face leaves out takes its defaults (the base model of each kind). */
export const visionConfigSchema: z.ZodType<VisionConfig> = z
  .object({ model_type: z.enum(TYPES).default("siglip_vision_model") })
  .loose()
  .transform(({ model_type, ...rest }) => ({ ...TOWERS[model_type].defaults, ...rest, model_type }))
  .pipe(
    z.object({
      model_type: z.enum(TYPES),
      hidden_size: size,
      intermediate_size: size,
      num_hidden_layers: size,
      num_attention_heads: size,
      num_channels: size,
      image_size: size,
      patch_size: size,
      layer_norm_eps: z.number().positive(),
      hidden_act: z.enum(["gelu_pytorch_tanh", "gelu", "quick_gelu"]),
    }),
  )
  .refine((c) => c.hidden_size % c.num_attention_heads === 0, {
    error: "num_attention_heads must divide hidden_size",
    path: ["num_attention_heads"],
  })
  .refine((c) => c.patch_size <= c.image_size, {
    error: "patch_size must not exceed image_size",
    path: ["patch_size"],
  });

/**
 * Reads the vision part of a `config.json`: `siglip_vision_model` or `clip_vision_model`.
 *
 * @throws KdError `KD_CONFIG` naming the field.
 */
export function parseVisionConfig(value: unknown, where = "vision_config"): VisionConfig {
  const { success, data, error } = visionConfigSchema.safeParse(value);
  if (!success) throw new KdError("KD_CONFIG", `${where}: ${z.prettifyError(error)}; correct the file`);
  return data;
}

/** Patches of an image. */
export function patchesOf({ image_size, patch_size }: Pick<VisionConfig, "image_size" | "patch_size">): number {
  return Math.floor(image_size / patch_size) ** 2;
}

/** N, the rows of features that the tower gives an image: its patches, and a class token before them where the tower has one. */
export function featureRows(config: VisionConfig): number {
  return patchesOf(config) + (TOWERS[config.model_type].classToken ? 1 : 0);
}
