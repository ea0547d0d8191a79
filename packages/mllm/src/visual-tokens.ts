import { KdError } from "@kd/contract";
import { featureRows, patchesOf } from "@kd/vision-encoder";
import type { LlavaConfig } from "./config.ts";

/** What decides how many tokens an image takes. */
export type Selection = Pick<LlavaConfig, "vision_config" | "vision_feature_select_strategy">;

/** N, the tokens that an image takes: 729 for SigLIP so400m/14@384 with `full`, 728 with `default`; 576 for CLIP L/14@336 with `default`. */
export function visualTokens({ vision_config, vision_feature_select_strategy: strategy }: Selection): number {
  return featureRows(vision_config) - (strategy === "full" ? 0 : 1);
}

/** Numbers of a visual token before the projector: the tower's width, once a chosen layer. */
export function featureWidth({
  vision_config,
  vision_feature_layer: layer,
}: Pick<LlavaConfig, "vision_config" | "vision_feature_layer">): number {
  return vision_config.hidden_size * (typeof layer === "number" ? 1 : layer.length);
}

/** Where the number of visual tokens comes from, for an error or a report: "27 × 27 patches, less the first: "default" drops it, …". */
export function explainVisualTokens(config: Selection): string {
  const { image_size, patch_size } = config.vision_config;
  const side = Math.floor(image_size / patch_size);
  const hasClass = featureRows(config.vision_config) > patchesOf(config.vision_config);
  const rows = `${side} × ${side} patches${hasClass ? " and a class token" : ""}`;
  return config.vision_feature_select_strategy === "full"
    ? `${rows}, all kept by vision_feature_select_strategy "full"`
    : `${rows}, less the first${hasClass ? "" : ", a real patch, as this tower has no class token"}: vision_feature_select_strategy "default" (TinyLLaVA's "patch") drops it`;
}

/**
 * Compares two models that are to read the same batches.
 *
 * @throws KdError `KD_CONFIG` when an image takes another number of tokens in each, with both sums.
 */
export function checkSameVisualTokens(teacher: Selection, student: Selection): void {
  const [theirs, ours] = [visualTokens(teacher), visualTokens(student)];
  if (theirs !== ours)
    throw new KdError(
      "KD_CONFIG",
      `teacher and student: expected as many visual tokens, got ${theirs} (${explainVisualTokens(teacher)}) and ${ours} (${explainVisualTokens(student)}); give both the same tower and vision_feature_select_strategy`,
    );
}

/**
 * Compares a tokenizer with the embedding that its ids index; rows without an id are usual.
 *
 * @param largestId of the tokenizer, added tokens included
 * @throws KdError `KD_CONFIG` when an id has no row.
 */
export function checkVocabulary(
  { text_config, image_token_index }: Pick<LlavaConfig, "text_config" | "image_token_index">,
  largestId: number,
  where = "tokenizer",
): void {
  const rows = text_config.vocab_size;
  if (largestId >= rows)
    throw new KdError(
      "KD_CONFIG",
      `${where}: expected ids below ${rows}, the rows of the embedding, got ${largestId}; it belongs to another model`,
    );
  if (image_token_index >= rows)
    throw new KdError("KD_CONFIG", `${where}: expected the image token below ${rows}, got ${image_token_index}`);
}
