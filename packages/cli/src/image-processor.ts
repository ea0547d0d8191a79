import { join } from "node:path";
import { KdError } from "@kd/contract";
import { siglipPixels } from "@kd/data";
import { readImage } from "@kd/data/node";
import { type LlavaConfig, visualTokens } from "@kd/mllm";
import { z } from "zod";
import { readJsonIfThere } from "./json-file.ts";

/** How a model's pictures become pixels and tokens. */
export interface ImageProcessor {
  /** What decides the pixels; part of the tower's hash. */
  readonly name: string;
  /** Side of the square that the tower reads, in pixels. */
  readonly size: number;
  /** Visual tokens of a picture. */
  readonly tokens: number;
  /** `[size, size, 3]`. */
  pixels(file: string): Promise<Float32Array>;
}

const level = z.number().refine((x) => Math.abs(x - 0.5) < 1e-6, { error: "must be 0.5" });
const levels = z.union([level, z.array(level)]).optional();
const preprocessorSchema = z.object({
  size: z
    .union([z.number(), z.object({ height: z.number(), width: z.number() }), z.object({ shortest_edge: z.number() })])
    .optional(),
  resample: z.literal(3, { error: "must be 3, bicubic" }).optional(),
  image_mean: levels,
  image_std: levels,
  do_pad: z.literal(false, { error: "must be false" }).optional(),
  do_center_crop: z.literal(false, { error: "must be false" }).nullish(),
  do_resize: z.literal(true, { error: "must be true" }).optional(),
});

/**
 * SigLIP's processing: resized to a square by bicubic interpolation, −1…1.
 *
 * @throws KdError `KD_CONFIG` when the folder's `preprocessor_config.json` asks for another: numbers would be wrong in silence.
 */
export async function openImageProcessor(folder: string, config: LlavaConfig): Promise<ImageProcessor> {
  const path = join(folder, "preprocessor_config.json");
  const { success, error } = preprocessorSchema.safeParse((await readJsonIfThere(path)) ?? {});
  if (!success)
    throw new KdError(
      "KD_CONFIG",
      `${path}: expected SigLIP's processing; ${z.prettifyError(error)}; this version reads no other`,
    );
  const { image_size: size, model_type } = config.vision_config;
  if (model_type !== "siglip_vision_model")
    throw new KdError(
      "KD_CONFIG",
      `${folder}: pictures of a ${model_type} are processed otherwise than SigLIP's; this version reads no other`,
    );
  return {
    name: `siglip ${size} square`,
    size,
    tokens: visualTokens(config),
    pixels: async (file) => siglipPixels(await readImage(file, { background: "white" }), { size }),
  };
}

/** A model folder's `preprocessor_config.json` for pictures processed as above. */
export const preprocessorConfig = (size: number): object => ({
  image_processor_type: "SiglipImageProcessor",
  size: { height: size, width: size },
  do_resize: true,
  resample: 3,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
});
