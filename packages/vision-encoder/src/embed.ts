import { add, concat, layerNorm, reshape, type Tensor, type Tensor4D, tensorOf, widen, zeros } from "@kd/tensor-core";
import type { VisionConfig } from "./config.ts";
import type { Find } from "./layer.ts";
import { embedPatches } from "./patches.ts";
import { TOWERS } from "./towers.ts";

/** What enters the first layer, `[I, N, D]`: patches, a class token before them where the tower has one, their positions. */
export function embed(pixels: Tensor4D, find: Find, config: VisionConfig): Tensor {
  const { classToken, patchBias, normBefore } = TOWERS[config.model_type];
  const [patch, width] = ["embeddings.patch_embedding", config.hidden_size];
  let x = embedPatches(pixels, find(`${patch}.weight`), patchBias ? find(`${patch}.bias`) : undefined, config);
  if (classToken) {
    const token = reshape(widen(tensorOf(find("embeddings.class_embedding"))), [1, 1, width]);
    x = concat([add(zeros([pixels.shape[0], 1, width]), token), x], 1);
  }
  x = add(x, widen(tensorOf(find("embeddings.position_embedding.weight"))));
  if (normBefore === undefined) return x;
  return layerNorm(x, find(`${normBefore}.weight`), find(`${normBefore}.bias`), { epsilon: config.layer_norm_eps });
}
