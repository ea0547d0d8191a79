import { KdError } from "@kd/contract";
import { type SlmConfig, slmConfigSchema } from "@kd/slm";
import { type VisionConfig, visionConfigSchema } from "@kd/vision-encoder";
import { z } from "zod";
import { checkTiles } from "./pack-tiles.ts";

/** A vision-language model of the LLaVA family, under the names of Hugging Face's `config.json`. */
export interface LlavaConfig {
  readonly vision_config: VisionConfig;
  readonly text_config: SlmConfig;
  /** Id of the image token; it stands N times in a sample, once a visual token. */
  readonly image_token_index: number;
  /** Index into the tower's `hidden_states`; of several, features are set side by side. */
  readonly vision_feature_layer: number | readonly number[];
  /** `full` keeps every row; `default` drops the first, as the authors' `patch` does: CLIP's class token, in SigLIP a real patch. */
  readonly vision_feature_select_strategy: "default" | "full";
  /** Hugging Face's default is true. */
  readonly multimodal_projector_bias: boolean;
  /** Of LLaVA-NeXT alone, which reads a picture in tiles: `[height, width]` of the grids to choose from, in pixels. */
  readonly image_grid_pinpoints?: readonly (readonly [height: number, width: number])[];
}

const llavaConfigSchema = z
  .object({
    vision_config: visionConfigSchema,
    text_config: slmConfigSchema,
    image_token_index: z.int().nonnegative().default(32000), // Hugging Face's, LLaVA-1.5's own
    vision_feature_layer: z.union([z.int(), z.array(z.int()).min(1)]).default(-2),
    vision_feature_select_strategy: z.enum(["default", "full"]).default("default"),
    projector_hidden_act: z.literal("gelu").default("gelu"),
    multimodal_projector_bias: z.boolean().default(true),
    tie_word_embeddings: z.boolean().optional(),
  })
  .refine((c) => c.image_token_index < c.text_config.vocab_size, {
    error: "image_token_index must be a row of the embedding, below text_config.vocab_size",
    path: ["image_token_index"],
  });

/** LLaVA-NeXT's own; its kin pack tiles in other ways. */
const tiledSchema = z.object({
  image_grid_pinpoints: z
    .array(z.tuple([z.int().positive(), z.int().positive()]))
    .min(1)
    .default([
      [336, 672],
      [672, 336],
      [672, 672],
      [1008, 336],
      [336, 1008],
    ]),
  use_image_newline_parameter: z.literal(true).default(true),
});
const typeSchema = z.object({ model_type: z.enum(["llava_next", "llava_next_video", "llava_onevision"]) });

/**
 * Reads a LLaVA `config.json`.
 *
 * @param options.tiles LLaVA-NeXT, too, whose batches need `pictures`. @defaultValue false: refused
 * @throws KdError `KD_CONFIG` naming the field.
 */
export function parseLlavaConfig(
  value: unknown,
  where = "config.json",
  { tiles = false }: { readonly tiles?: boolean } = {},
): LlavaConfig {
  const type = typeSchema.safeParse(value).data?.model_type;
  if (type !== undefined && (type !== "llava_next" || !tiles))
    throw new KdError(
      "KD_CONFIG",
      `${where}: expected model_type llava, one image of equally many tokens a picture, got ${type}, which sets the tiles of a picture together, as many tokens as its size gives; ${type === "llava_next" ? "only answering, inspecting and converting do that so far; take a LLaVA-1.5 or TinyLLaVA model here" : "its way of packing is missing here; take a LLaVA-1.5, LLaVA-NeXT or TinyLLaVA model"}`,
    );
  const { success, data, error } = llavaConfigSchema.safeParse(value);
  if (!success) throw new KdError("KD_CONFIG", `${where}: ${z.prettifyError(error)}; correct the file`);
  const { projector_hidden_act: _, tie_word_embeddings: __, ...config } = data;
  if (type === undefined) return config;
  const tiled = tiledSchema.safeParse(value);
  if (!tiled.success) throw new KdError("KD_CONFIG", `${where}: ${z.prettifyError(tiled.error)}; correct the file`);
  const next = { ...config, image_grid_pinpoints: tiled.data.image_grid_pinpoints };
  checkTiles(next, where);
  return next;
}
