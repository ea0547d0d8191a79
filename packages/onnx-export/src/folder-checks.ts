import { KdError } from "@kd/contract";
import type { LlavaConfig } from "@kd/mllm";
import { z } from "zod";
import type { Json, Source } from "./folder-files.ts";

const id = z.int().nonnegative();
const tokenizerSchema = z.object({
  added_tokens: z.array(z.object({ id, content: z.string() })).default([]),
  model: z.object({ vocab: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]) }),
});

/**
 * The text of the image token.
 *
 * @throws KdError `KD_DATA` when no added token has its id, or when an id has no row in the embedding.
 */
export function imageTokenOf(
  { folder, tokenizer }: Source,
  { image_token_index: image, text_config }: LlavaConfig,
): string {
  const where = `${folder}/tokenizer.json`;
  const { success, data, error } = tokenizerSchema.safeParse(tokenizer);
  if (!success) throw new KdError("KD_DATA", `${where}: ${z.prettifyError(error)}; put a fast tokenizer's file here`);
  const { added_tokens: added, model } = data;
  const ids = Array.isArray(model.vocab) ? [model.vocab.length - 1] : Object.values(model.vocab);
  const largest = [...ids, ...added.map((token) => token.id)].reduce((a: number, b) => Math.max(a, Number(b)), 0);
  if (!(largest < text_config.vocab_size))
    throw new KdError(
      "KD_DATA",
      `${where}: expected ids below vocab_size ${text_config.vocab_size}, got ${largest}; use the tokenizer of this model`,
    );
  const found = added.find((token) => token.id === image);
  if (found !== undefined) return found.content;
  throw new KdError(
    "KD_DATA",
    `${where}: expected an added token with id ${image} (image_token_index of config.json), got none; add { "id": ${image}, "content": "<image>", "special": true, … } to added_tokens`,
  );
}

const pair = z.object({ height: z.int().positive(), width: z.int().positive() });
const both = z
  .int()
  .positive()
  .transform((side) => ({ height: side, width: side }));
const do_pad = z.literal(false, { error: "expected false: transformers.js pads otherwise" }).optional();
const processorSchema = z.discriminatedUnion("image_processor_type", [
  z.looseObject({
    image_processor_type: z.literal("SiglipImageProcessor"),
    do_pad,
    size: z.union([pair, both]).default({ height: 224, width: 224 }),
  }),
  z.looseObject({
    image_processor_type: z.literal("CLIPImageProcessor"),
    do_pad,
    size: z
      .union([
        z.object({ shortest_edge: z.int().positive() }),
        pair,
        z
          .int()
          .positive()
          .transform((shortest_edge) => ({ shortest_edge })),
      ])
      .default({ shortest_edge: 224 }),
    do_center_crop: z.boolean().default(true),
    crop_size: z.union([pair, both]).default({ height: 224, width: 224 }),
  }),
]);

/** Older or wider classes that do the same. */
const ALIASES: Readonly<Record<string, string>> = {
  CLIPFeatureExtractor: "CLIPImageProcessor",
  LlavaImageProcessor: "CLIPImageProcessor",
};

/** Defaults of Hugging Face's classes, which older files leave out. */
const COMMON = { do_resize: true, resample: 3, do_rescale: true, rescale_factor: 1 / 255, do_normalize: true };
const MEANS = {
  SiglipImageProcessor: { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] },
  CLIPImageProcessor: {
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
  },
};

/**
 * The image processor's settings, defaults filled in.
 *
 * @throws KdError `KD_CONFIG` for another class, or when its pictures are not of the tower's size.
 */
export function preprocessorOf({ folder, preprocessor }: Source, { vision_config: vision }: LlavaConfig): Json {
  const where = `${folder}/preprocessor_config.json`;
  const given = preprocessor.image_processor_type ?? preprocessor.feature_extractor_type;
  const name = String(given).replace(/Fast$/, "");
  const said = Object.fromEntries(Object.entries(preprocessor).filter(([, value]) => value !== null)); // null: the default
  const { success, data, error } = processorSchema.safeParse({ ...said, image_processor_type: ALIASES[name] ?? name });
  if (!success) throw new KdError("KD_CONFIG", `${where}: ${z.prettifyError(error)}; use a SigLIP or CLIP processor`);
  const size = "crop_size" in data && data.do_center_crop === true ? data.crop_size : data.size;
  const { height, width } = size as { height?: number; width?: number };
  const side = vision.image_size;
  if (height !== side || width !== side)
    throw new KdError(
      "KD_CONFIG",
      `${where}: expected pictures of ${side} × ${side}, as vision_config.image_size says, got ${JSON.stringify(size)}; use the processor of this tower`,
    );
  return { ...COMMON, ...MEANS[data.image_processor_type], ...data };
}
