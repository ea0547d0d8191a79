import { KdError } from "@kd/contract";
import { type LlavaConfig, llavaShapes } from "@kd/mllm";
import type { Part } from "@kd/mllm/node";
import { featureLayers } from "./feature-layers.ts";
import type { StoredAt } from "./weights.ts";

export const VISION = "vision_tower.vision_model.";
export const PROJECTOR = "multi_modal_projector.";
export const DECODER = "language_model.model.";
export const EMBEDDING: string = `${DECODER}embed_tokens.weight`;
export const HEAD = "language_model.lm_head.weight";

/** What a checkpoint may hold and the graphs don't read: SigLIP's pooling head, norms after the last layer, a tied head, buffers. */
const UNREAD =
  /^vision_tower\.vision_model\.(head|post_layernorm)\.|lm_head\.weight$|position_ids$|rotary_emb\.inv_freq$/;

/**
 * Where the parameters of a model are stored, by their names in memory; each is of the shape that the configuration expects.
 *
 * @throws KdError `KD_WEIGHTS` naming the first tensor that is missing, of another shape or of whole numbers, or that belongs to no part.
 */
export function placesOf(config: LlavaConfig, parts: readonly Part[]): Map<string, StoredAt> {
  const shapes = llavaShapes(config);
  const places = new Map<string, StoredAt>();
  for (const { weights, rename } of parts)
    for (const [stored, { shape, dtype }] of weights.tensors) {
      const name = rename(stored);
      const expected = shapes.get(name);
      if (expected === undefined && UNREAD.test(name)) continue;
      const fail = (message: string): never => {
        throw new KdError("KD_WEIGHTS", `${weights.path}: tensor "${stored}" ${message}`);
      };
      if (expected === undefined) fail("belongs to no part of this configuration; check config.json");
      if (expected?.join() !== shape.join())
        fail(`must be [${expected?.join(", ")}], got [${shape.join(", ")}]; check config.json`);
      if (!/^B?F\d+$/.test(dtype)) fail(`must hold floats, got ${dtype}; save the model in floats`);
      places.set(name, { weights, stored, shape });
    }
  const missing = [...shapes.keys()].find((name) => !places.has(name) && !unused(config, name));
  if (missing === undefined) return places;
  const paths = parts.map(({ weights }) => weights.path).join(", ");
  throw new KdError("KD_WEIGHTS", `${paths}: tensor "${missing}" is missing; the weights are incomplete`);
}

/** Of the tower beyond the last layer that is read: checkpoints may leave it out. */
function unused(config: LlavaConfig, name: string): boolean {
  const [, index] = /^vision_tower\.vision_model\.encoder\.layers\.(\d+)\./.exec(name) ?? [];
  return UNREAD.test(name) || (index !== undefined && Number(index) >= Math.max(...featureLayers(config)));
}
