import type { SlmConfig } from "./config.ts";

/** Where a LLaVA checkpoint keeps its language model; a lone checkpoint has no prefix. */
export const LLAVA_PREFIX = "language_model.";

/** Name of the output head: the embedding when it is tied. */
export function headName({ tie_word_embeddings: tied }: SlmConfig, prefix: string = LLAVA_PREFIX): string {
  return prefix + (tied ? "model.embed_tokens.weight" : "lm_head.weight");
}

interface LinearShape {
  /** Behind the layer's prefix: `self_attn.q_proj`. */
  readonly name: string;
  readonly out: number;
  readonly inputs: number;
  readonly bias: boolean;
}

/** The linears of one layer, in the order of a checkpoint. */
export function layerLinears(config: SlmConfig): LinearShape[] {
  const { hidden_size: d, intermediate_size: f, head_dim, attention_bias, mlp_bias } = config;
  const [queries, keys] = [config.num_attention_heads * head_dim, config.num_key_value_heads * head_dim];
  const outputBias = attention_bias && config.model_type === "llama";
  return [
    { name: "self_attn.q_proj", out: queries, inputs: d, bias: attention_bias },
    { name: "self_attn.k_proj", out: keys, inputs: d, bias: attention_bias },
    { name: "self_attn.v_proj", out: keys, inputs: d, bias: attention_bias },
    { name: "self_attn.o_proj", out: d, inputs: queries, bias: outputBias },
    { name: "mlp.gate_proj", out: f, inputs: d, bias: mlp_bias },
    { name: "mlp.up_proj", out: f, inputs: d, bias: mlp_bias },
    { name: "mlp.down_proj", out: d, inputs: f, bias: mlp_bias },
  ];
}

/** Every parameter with its shape, under Hugging Face names; without adapters. */
export function slmShapes(config: SlmConfig, prefix: string = LLAVA_PREFIX): Map<string, readonly number[]> {
  const { vocab_size: v, hidden_size: d } = config;
  const linears = layerLinears(config);
  const shapes = new Map<string, readonly number[]>();
  const set = (name: string, ...shape: number[]) => shapes.set(prefix + name, shape);
  set("model.embed_tokens.weight", v, d);
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `model.layers.${i}.`;
    set(`${layer}input_layernorm.weight`, d);
    for (const { name, out, inputs, bias } of linears) {
      if (name === "mlp.gate_proj") set(`${layer}post_attention_layernorm.weight`, d);
      set(`${layer}${name}.weight`, out, inputs);
      if (bias) set(`${layer}${name}.bias`, out);
    }
  }
  set("model.norm.weight", d);
  if (!config.tie_word_embeddings) set("lm_head.weight", v, d);
  return shapes;
}
