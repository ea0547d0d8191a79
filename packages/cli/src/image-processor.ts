import { join } from "node:path";
import { KdError } from "@kd/contract";
import { imageProcessor } from "@kd/data";
import { loadImageProcessor, readImage } from "@kd/data/node";
import { type LlavaConfig, visualTokens } from "@kd/mllm";
import { readJsonIfThere } from "./json-file.ts";

/** How a model's pictures become pixels and tokens. */
export interface ImageProcessor {
  /** What decides the pixels; part of the tower's hash. */
  readonly name: string;
  /** Side of the square that the tower reads, in pixels. */
  readonly size: number;
  /** Visual tokens of a picture. */
  readonly tokens: number;
  /** As `preprocessor_config.json`. */
  readonly config: object;
  /** `[size, size, 3]` of a file or its bytes. */
  pixels(picture: string | Uint8Array): Promise<Float32Array>;
}

/**
 * The processor of a model's folder; SigLIP's own for a SigLIP tower whose folder has none.
 *
 * @throws KdError `KD_CONFIG` when the folder's processor makes other pictures than the tower reads: numbers would be wrong in silence.
 */
export async function openImageProcessor(folder: string, config: LlavaConfig): Promise<ImageProcessor> {
  const { image_size: size, model_type } = config.vision_config;
  const path = join(folder, "preprocessor_config.json");
  const outer = await readJsonIfThere(join(folder, "processor_config.json"));
  const stored = (await readJsonIfThere(path)) ?? (outer?.image_processor as object | undefined);
  const bare = stored === undefined && model_type === "siglip_vision_model";
  const processor = bare ? imageProcessor(preprocessorConfig(size)) : await loadImageProcessor(folder);
  const { height, width } = processor.size;
  if (height !== size || width !== size)
    throw new KdError(
      "KD_CONFIG",
      `${path}: expected pictures of ${size} × ${size}, as the tower reads them, got ${height} × ${width}; use the processor of this model`,
    );
  if (processor.tileCount({ width: 3 * size, height: size }) > 1)
    throw new KdError(
      "KD_CONFIG",
      `${path}: expected one image a picture, got tiles (anyres), which kd does not read yet`,
    );
  return {
    name: processor.id,
    size,
    tokens: visualTokens(config),
    config: stored ?? preprocessorConfig(size),
    pixels: async (picture) => processor.pixels(await readImage(picture, { background: "white" })),
  };
}

/** SigLIP's `preprocessor_config.json`: resized to a square by bicubic interpolation, −1…1. */
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
