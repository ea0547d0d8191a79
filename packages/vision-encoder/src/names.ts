import { featureRows, type VisionConfig } from "./config.ts";
import { TOWERS } from "./towers.ts";

/** Where a LLaVA checkpoint keeps its tower; a lone tower's checkpoint uses `vision_model.`. */
export const LLAVA_PREFIX = "vision_tower.vision_model.";

/** Every parameter that the tower has, with its shape, under Hugging Face names; SigLIP's pooling head is not among them. */
export function visionShapes(config: VisionConfig, prefix: string = LLAVA_PREFIX): Map<string, readonly number[]> {
  const { hidden_size: d, intermediate_size: f, num_channels: c, patch_size: p } = config;
  const { classToken, patchBias, normBefore } = TOWERS[config.model_type];
  const shapes = new Map<string, readonly number[]>();
  const both = (name: string, weight: readonly number[]) => {
    shapes.set(`${prefix}${name}.weight`, weight);
    shapes.set(`${prefix}${name}.bias`, weight.slice(0, 1));
  };
  if (classToken) shapes.set(`${prefix}embeddings.class_embedding`, [d]);
  shapes.set(`${prefix}embeddings.patch_embedding.weight`, [d, c, p, p]);
  if (patchBias) shapes.set(`${prefix}embeddings.patch_embedding.bias`, [d]);
  shapes.set(`${prefix}embeddings.position_embedding.weight`, [featureRows(config), d]);
  if (normBefore !== undefined) both(normBefore, [d]);
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `encoder.layers.${i}.`;
    both(`${layer}layer_norm1`, [d]);
    for (const name of ["q_proj", "k_proj", "v_proj", "out_proj"]) both(`${layer}self_attn.${name}`, [d, d]);
    both(`${layer}layer_norm2`, [d]);
    both(`${layer}mlp.fc1`, [f, d]);
    both(`${layer}mlp.fc2`, [d, f]);
  }
  both("post_layernorm", [d]);
  return shapes;
}
