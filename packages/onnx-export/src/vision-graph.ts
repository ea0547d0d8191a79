import { type LlavaConfig, visualTokens } from "@kd/mllm";
import type { VisionConfig } from "@kd/vision-encoder";
import { activate, attention, layerNorm, linear, mergeHeads, splitHeads } from "./blocks.ts";
import { featureLayers } from "./feature-layers.ts";
import { createGraph, type GraphBuilder, type GraphWeights, type OnnxGraph } from "./graph.ts";
import { PROJECTOR, VISION } from "./names.ts";

/** `pixel_values [I, C, H, W]` to `image_features [I, N, D]`: tower, chosen layers, selection and projector. */
export function visionGraph(config: LlavaConfig, weights: GraphWeights): OnnxGraph {
  const { vision_config: vision } = config;
  const layers = featureLayers(config);
  const side = vision.image_size;
  const g = createGraph("vision_encoder", weights);
  const pixels = g.input("pixel_values", "float", ["batch_size", vision.num_channels, side, side]);
  const states = [embedPatches(g, pixels, vision)];
  for (let i = 0; i < Math.max(...layers); i++) states.push(visionLayer(g, states[i] as string, i, vision));
  const chosen = layers.map((layer) => states[layer] as string);
  const features = chosen.length === 1 ? (chosen[0] as string) : g.node("Concat", chosen, { axis: -1 });
  // The first row is CLIP's class token, and a real patch in SigLIP.
  const selected =
    config.vision_feature_select_strategy === "full"
      ? features
      : g.node("Slice", [features, g.ints([1]), g.ints([2 ** 31 - 1]), g.ints([1])]);
  const inner = activate(g, linear(g, selected, `${PROJECTOR}linear_1`), "gelu");
  const projected = linear(g, inner, `${PROJECTOR}linear_2`);
  const shape = ["batch_size", visualTokens(config), config.text_config.hidden_size];
  g.output("image_features", projected, "float", shape);
  return g.graph;
}

/** What enters the first layer, `[I, N, D]`. */
function embedPatches(g: GraphBuilder, pixels: string, vision: VisionConfig): string {
  const { hidden_size: width, patch_size: patch, layer_norm_eps: epsilon } = vision;
  const clip = vision.model_type === "clip_vision_model";
  const kernel = `${VISION}embeddings.patch_embedding`;
  const bias = g.has(`${kernel}.bias`) ? [g.weight(`${kernel}.bias`)] : [];
  const cut = g.node("Conv", [pixels, g.weight(`${kernel}.weight`), ...bias], {
    kernel_shape: [patch, patch],
    strides: [patch, patch],
  });
  const patches = g.node("Transpose", [g.node("Reshape", [cut, g.ints([0, width, -1])])], { perm: [0, 2, 1] });
  const positions = g.weight(`${VISION}embeddings.position_embedding.weight`);
  if (!clip) return g.node("Add", [patches, positions]);
  const images = g.node("Slice", [g.node("Shape", [pixels]), g.ints([0]), g.ints([1]), g.ints([0])]);
  const classToken = g.node("Expand", [
    g.weight(`${VISION}embeddings.class_embedding`),
    g.node("Concat", [images, g.ints([1, width])], { axis: 0 }),
  ]);
  const rows = g.node("Concat", [classToken, patches], { axis: 1 });
  return layerNorm(g, g.node("Add", [rows, positions]), `${VISION}pre_layrnorm`, epsilon); // (sic)
}

/** One pre-norm layer; every patch sees every patch. */
function visionLayer(g: GraphBuilder, x: string, index: number, vision: VisionConfig): string {
  const { hidden_size: width, num_attention_heads: heads, layer_norm_eps: epsilon } = vision;
  const layer = `${VISION}encoder.layers.${index}.`;
  const normed = layerNorm(g, x, `${layer}layer_norm1`, epsilon);
  const split = (name: string) => splitHeads(g, linear(g, normed, `${layer}self_attn.${name}`), heads, width / heads);
  const [query, key, value] = [split("q_proj"), split("k_proj"), split("v_proj")];
  const mixed = mergeHeads(g, attention(g, { query, key, value, headDim: width / heads }), width);
  const attended = g.node("Add", [x, linear(g, mixed, `${layer}self_attn.out_proj`)]);
  const inner = linear(g, layerNorm(g, attended, `${layer}layer_norm2`, epsilon), `${layer}mlp.fc1`);
  return g.node("Add", [attended, linear(g, activate(g, inner, vision.hidden_act), `${layer}mlp.fc2`)]);
}
