import type { LlavaConfig } from "@kd/mllm";
import { createGraph, type GraphWeights, type OnnxGraph, TYPES } from "./graph.ts";
import { EMBEDDING } from "./names.ts";

/** `input_ids [B, T]` to `inputs_embeds [B, T, D]`. Rows are picked before they are widened. */
export function embedGraph({ text_config: text }: LlavaConfig, weights: GraphWeights): OnnxGraph {
  const g = createGraph("embed_tokens", weights);
  const ids = g.input("input_ids", "int64", ["batch_size", "sequence_length"]);
  const { value, type } = g.stored(EMBEDDING);
  const rows = g.node("Gather", [value, ids], { axis: 0 });
  const embeddings = type === "float" ? rows : g.node("Cast", [rows], { to: TYPES.float });
  g.output("inputs_embeds", embeddings, "float", ["batch_size", "sequence_length", text.hidden_size]);
  return g.graph;
}
