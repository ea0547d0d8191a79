import type { Qwen2Config } from "./config.ts";

/** Where a LLaVA checkpoint keeps its language model; a lone checkpoint has no prefix. */
export const LLAVA_PREFIX = "language_model.";

/** Name of the output head: the embedding when it is tied. */
export function headName({ tie_word_embeddings: tied }: Qwen2Config, prefix: string = LLAVA_PREFIX): string {
  return prefix + (tied ? "model.embed_tokens.weight" : "lm_head.weight");
}

/** Every parameter with its shape, under Hugging Face names. */
export function qwen2Shapes(config: Qwen2Config, prefix: string = LLAVA_PREFIX): Map<string, readonly number[]> {
  const { vocab_size: v, hidden_size: d, intermediate_size: f, num_attention_heads: heads } = config;
  const keys = (d / heads) * config.num_key_value_heads;
  const shapes = new Map<string, readonly number[]>();
  const set = (name: string, ...shape: number[]) => shapes.set(prefix + name, shape);
  set("model.embed_tokens.weight", v, d);
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `model.layers.${i}.`;
    set(`${layer}input_layernorm.weight`, d);
    for (const [name, out] of [
      ["q_proj", d],
      ["k_proj", keys],
      ["v_proj", keys],
    ] as const) {
      set(`${layer}self_attn.${name}.weight`, out, d);
      set(`${layer}self_attn.${name}.bias`, out);
    }
    set(`${layer}self_attn.o_proj.weight`, d, d);
    set(`${layer}post_attention_layernorm.weight`, d);
    set(`${layer}mlp.gate_proj.weight`, f, d);
    set(`${layer}mlp.up_proj.weight`, f, d);
    set(`${layer}mlp.down_proj.weight`, d, f);
  }
  set("model.norm.weight", d);
  if (!config.tie_word_embeddings) set("lm_head.weight", v, d);
  return shapes;
}
