import { KdError } from "@kd/contract";
import type { LlavaConfig } from "@kd/mllm";

/**
 * Indices into the tower's `hidden_states`, none negative; features of several are laid side by side.
 *
 * @throws KdError `KD_CONFIG` for a layer that there is not.
 */
export function featureLayers({ vision_feature_layer: given, vision_config }: LlavaConfig): number[] {
  const depth = vision_config.num_hidden_layers;
  return [given].flat().map((layer) => {
    const index = layer < 0 ? depth + 1 + layer : layer;
    if (index >= 0 && index <= depth) return index;
    throw new KdError(
      "KD_CONFIG",
      `config.json: vision_feature_layer must be from ${-depth - 1} to ${depth}, got ${layer}; correct the file`,
    );
  });
}
