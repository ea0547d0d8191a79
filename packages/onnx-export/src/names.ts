import { KdError } from "@kd/contract";
import type { ExportConfig } from "./config.ts";
import type { Checkpoint } from "./weights.ts";

export const VISION = "vision_tower.vision_model.";
export const PROJECTOR = "multi_modal_projector.";
export const DECODER = "language_model.model.";
export const EMBEDDING: string = `${DECODER}embed_tokens.weight`;
export const HEAD = "language_model.lm_head.weight";

/** A name as transformers ≥ 4.52 calls it (`model.language_model.…`), as older versions do and as checkpoints are still written. */
const olderName = (name: string): string => {
  if (name === "lm_head.weight") return HEAD;
  if (name.startsWith("model.language_model.")) return name.replace("model.language_model.", DECODER);
  return name.replace(/^model\.(vision_tower|multi_modal_projector)\./, "$1.");
};

/** What a checkpoint may hold and the graphs don't read: SigLIP's pooling head, norms after the chosen layer, a tied head, buffers. */
const UNREAD =
  /^vision_tower\.vision_model\.(head|post_layernorm)\.|lm_head\.weight$|position_ids$|rotary_emb\.inv_freq$/;

/** Every parameter that the configuration speaks of, with its shape. */
function parameterShapes(config: ExportConfig): Map<string, readonly number[]> {
  const { vision_config: vision, text_config: text } = config;
  const shapes = new Map<string, readonly number[]>();
  const set = (name: string, ...shape: number[]) => shapes.set(name, shape);
  const dense = (name: string, out: number, inputs: number, bias: boolean) => {
    set(`${name}.weight`, out, inputs);
    if (bias) set(`${name}.bias`, out);
  };
  const norm = (name: string, width: number) => {
    set(`${name}.weight`, width);
    set(`${name}.bias`, width);
  };

  const { hidden_size: v, patch_size: patch } = vision;
  const clip = vision.model_type === "clip_vision_model";
  set(`${VISION}embeddings.patch_embedding.weight`, v, vision.num_channels, patch, patch);
  if (clip) set(`${VISION}embeddings.class_embedding`, v);
  else set(`${VISION}embeddings.patch_embedding.bias`, v);
  const patches = Math.floor(vision.image_size / patch) ** 2;
  set(`${VISION}embeddings.position_embedding.weight`, patches + (clip ? 1 : 0), v);
  if (clip) norm(`${VISION}pre_layrnorm`, v);
  for (let i = 0; i < vision.num_hidden_layers; i++) {
    const layer = `${VISION}encoder.layers.${i}.`;
    norm(`${layer}layer_norm1`, v);
    for (const name of ["q_proj", "k_proj", "v_proj", "out_proj"]) dense(`${layer}self_attn.${name}`, v, v, true);
    norm(`${layer}layer_norm2`, v);
    dense(`${layer}mlp.fc1`, vision.intermediate_size, v, true);
    dense(`${layer}mlp.fc2`, v, vision.intermediate_size, true);
  }

  const {
    hidden_size: d,
    intermediate_size: f,
    head_dim: h,
    num_attention_heads: heads,
    num_key_value_heads: groups,
  } = text;
  const bias = config.multimodal_projector_bias;
  dense(`${PROJECTOR}linear_1`, d, v * config.featureLayers.length, bias);
  dense(`${PROJECTOR}linear_2`, d, d, bias);
  set(EMBEDDING, text.vocab_size, d);
  // Qwen2 has biases at queries, keys and values, whatever its configuration says; Llama has all four or none.
  const llama = text.model_type === "llama";
  const biased = !llama || text.attention_bias;
  for (let i = 0; i < text.num_hidden_layers; i++) {
    const layer = `${DECODER}layers.${i}.`;
    set(`${layer}input_layernorm.weight`, d);
    dense(`${layer}self_attn.q_proj`, heads * h, d, biased);
    for (const name of ["k_proj", "v_proj"]) dense(`${layer}self_attn.${name}`, groups * h, d, biased);
    dense(`${layer}self_attn.o_proj`, d, heads * h, llama && text.attention_bias);
    set(`${layer}post_attention_layernorm.weight`, d);
    for (const name of ["gate_proj", "up_proj"]) dense(`${layer}mlp.${name}`, f, d, llama && text.mlp_bias);
    dense(`${layer}mlp.down_proj`, d, f, llama && text.mlp_bias);
  }
  set(`${DECODER}norm.weight`, d);
  if (!config.tied) set(HEAD, text.vocab_size, d);
  return shapes;
}

/**
 * Stored names of the parameters by their older ones, each of the shape that the configuration expects.
 *
 * @throws KdError `KD_WEIGHTS` naming the first tensor that is missing, of another shape, or that belongs to no part.
 */
export function checkedNames(config: ExportConfig, { where, tensors }: Checkpoint): Map<string, string> {
  const shapes = parameterShapes(config);
  const names = new Map<string, string>();
  for (const [stored, tensor] of tensors) {
    const name = olderName(stored);
    const shape = shapes.get(name);
    if (shape === undefined && UNREAD.test(name)) continue;
    if (shape === undefined)
      throw new KdError(
        "KD_WEIGHTS",
        `${where}: tensor "${stored}" belongs to no part of this configuration; check config.json`,
      );
    if (shape.join() !== tensor.shape.join())
      throw new KdError(
        "KD_WEIGHTS",
        `${where}: "${stored}" must be [${shape.join(", ")}], got [${tensor.shape.join(", ")}]; check config.json`,
      );
    names.set(name, stored);
  }
  const missing = [...shapes.keys()].find((name) => !names.has(name) && !unused(config, name));
  if (missing !== undefined)
    throw new KdError("KD_WEIGHTS", `${where}: tensor "${missing}" is missing; the weights are incomplete`);
  return names;
}

/** Of a layer of the tower beyond the last one that is read: checkpoints may leave it out. */
function unused({ featureLayers: layers }: ExportConfig, name: string): boolean {
  const [, index] = /^vision_tower\.vision_model\.encoder\.layers\.(\d+)\./.exec(name) ?? [];
  return index !== undefined && Number(index) >= Math.max(...layers);
}
