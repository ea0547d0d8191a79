import { join } from "node:path";
import { KdError } from "@kd/contract";
import { imageProcessor, siglipProcessorConfig } from "@kd/data";
import { loadImageProcessor, readImage } from "@kd/data/node";
import { type LlavaConfig, type TiledPicture, tiledTokens, visualTokens } from "@kd/mllm";
import { readJsonIfThere } from "./json-file.ts";

/** How a model's pictures become pixels and tokens. */
export interface ImageProcessor {
  /** What decides the pixels; part of the tower's hash. */
  readonly name: string;
  /** Side of the square that the tower reads, in pixels. */
  readonly size: number;
  /** Visual tokens of an image: of a picture, or of one of its tiles. */
  readonly tokens: number;
  /** As `preprocessor_config.json`. */
  readonly config: object;
  /** Of a file or its bytes. */
  picture(file: string | Uint8Array): Promise<Picture>;
}

/** A picture as a model reads it. */
interface Picture {
  /** `[size, size, 3]` each: the picture, or the whole and then its tiles. */
  readonly images: readonly Float32Array[];
  readonly tokens: number;
  /** For a model that reads tiles. */
  readonly tiled?: TiledPicture;
}

/**
 * The processor of a model's folder; SigLIP's own for a SigLIP tower whose folder has none.
 *
 * @throws KdError `KD_CONFIG` when the folder's processor makes other pictures than the tower reads: numbers would be wrong in silence.
 */
export async function openImageProcessor(folder: string, config: LlavaConfig): Promise<ImageProcessor> {
  const { image_size: size, model_type } = config.vision_config;
  const grids = config.image_grid_pinpoints;
  const anyres = grids === undefined ? {} : ({ aspectRatio: "anyres", gridPinpoints: grids } as const);
  const path = join(folder, "preprocessor_config.json");
  const outer = await readJsonIfThere(join(folder, "processor_config.json"));
  const stored = (await readJsonIfThere(path)) ?? (outer?.image_processor as object | undefined);
  const bare = stored === undefined && model_type === "siglip_vision_model";
  const processor = bare
    ? imageProcessor(siglipProcessorConfig(size), anyres)
    : await loadImageProcessor(folder, anyres);
  const { height, width } = processor.size;
  if (height !== size || width !== size)
    throw new KdError(
      "KD_CONFIG",
      `${path}: expected pictures of ${size} × ${size}, as the tower reads them, got ${height} × ${width}; use the processor of this model`,
    );
  const tokens = visualTokens(config);
  if (grids === undefined && processor.grid({ width: size, height: size }) !== undefined)
    throw new KdError(
      "KD_CONFIG",
      `${path}: expected one image a picture, as models of type llava read it, got tiles (anyres: image_grid_pinpoints), which only LLaVA-NeXT (model_type llava_next) sets together; if this model was trained on whole pictures, put its own file there or add "image_aspect_ratio": "square" to this one`,
    );
  return {
    name: processor.id,
    size,
    tokens,
    config: stored ?? siglipProcessorConfig(size),
    picture: async (file) => {
      const image = await readImage(file, { background: "white" });
      const grid = processor.grid(image);
      if (grid === undefined) return { images: [processor.pixels(image)], tokens };
      const tiled = { height: image.height, width: image.width, ...grid };
      return { images: processor.tiles(image), tokens: tiledTokens(tiled, config), tiled };
    },
  };
}
