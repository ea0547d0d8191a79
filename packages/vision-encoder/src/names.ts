import { patchesOf, type SiglipVisionConfig } from "./config.ts";

/** Where a LLaVA checkpoint keeps its tower; a lone SigLIP checkpoint uses `vision_model.`. */
export const LLAVA_PREFIX = "vision_tower.vision_model.";

/** Every parameter that the tower reads, with its shape, under Hugging Face names; the pooling head is not among them. */
export function siglipShapes(
  config: SiglipVisionConfig,
  prefix: string = LLAVA_PREFIX,
): Map<string, readonly number[]> {
  const { hidden_size: d, intermediate_size: f, num_channels: c, patch_size: p } = config;
  const shapes = new Map<string, readonly number[]>();
  const both = (name: string, weight: readonly number[]) => {
    shapes.set(`${prefix}${name}.weight`, weight);
    shapes.set(`${prefix}${name}.bias`, weight.slice(0, 1));
  };
  both("embeddings.patch_embedding", [d, c, p, p]);
  shapes.set(`${prefix}embeddings.position_embedding.weight`, [patchesOf(config), d]);
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
