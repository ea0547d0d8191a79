import type { LlavaConfig } from "@kd/mllm";
import type { SlmConfig } from "@kd/slm";
import { activate, attention, linear, mergeHeads, rmsNorm, splitHeads } from "./blocks.ts";
import { createGraph, type GraphBuilder, type GraphWeights, type OnnxGraph, TYPES } from "./graph.ts";
import { DECODER, EMBEDDING, HEAD } from "./names.ts";
import { rope, ropeTables } from "./rope.ts";

/**
 * Embeddings `[B, S, D]` of new positions and the keys and values of earlier ones (none at first) to logits `[B, S, V]` and the keys and
 * values of all. transformers.js takes a first cache's sizes from here: the batch by its very name, heads and their width as numbers.
 *
 * @param options `numLogitsToKeep`: an input of this name says of how many last positions logits are wanted, 0 for all.
 */
export function decoderGraph(
  { text_config: text }: LlavaConfig,
  weights: GraphWeights,
  { numLogitsToKeep = false }: { readonly numLogitsToKeep?: boolean } = {},
): OnnxGraph {
  const { num_key_value_heads: groups, head_dim: headDim, rms_norm_eps: epsilon } = text;
  const g = createGraph("decoder_model_merged", weights);
  const fresh = ["batch_size", "sequence_length"];
  let x = g.input("inputs_embeds", "float", [...fresh, text.hidden_size]);
  const mask = g.input("attention_mask", "int64", ["batch_size", "total_sequence_length"]);
  const positions = g.input("position_ids", "int64", fresh);
  const shared = {
    tables: ropeTables(g, positions, text),
    bias: attentionBias(g, { embeddings: x, mask, rows: text.num_attention_heads / groups }),
  };
  const cache = (length: string) => ["batch_size", groups, length, headDim];
  const present: string[][] = [];
  for (let i = 0; i < text.num_hidden_layers; i++) {
    const before = ["key", "value"].map((kind) =>
      g.input(`past_key_values.${i}.${kind}`, "float", cache("past_sequence_length")),
    );
    const { y, key, value } = decoderLayer(g, x, { text, layer: `${DECODER}layers.${i}.`, before, ...shared });
    present.push([key, value]);
    x = y;
  }
  const asked = numLogitsToKeep ? lastPositions(g, x) : x;
  const hidden = rmsNorm(g, asked, `${DECODER}norm`, epsilon);
  const logits = g.node("MatMul", [
    hidden,
    g.weight(text.tie_word_embeddings ? EMBEDDING : HEAD, { transposed: true }),
  ]);
  const rows = numLogitsToKeep ? "num_logits" : "sequence_length";
  g.output("logits", logits, "float", ["batch_size", rows, text.vocab_size]);
  for (const [i, [key, value]] of present.entries()) {
    g.output(`present.${i}.key`, key as string, "float", cache("total_sequence_length"));
    g.output(`present.${i}.value`, value as string, "float", cache("total_sequence_length"));
  }
  return g.graph;
}

interface LayerInputs {
  readonly text: SlmConfig;
  /** Prefix of its parameters. */
  readonly layer: string;
  /** Earlier keys and values. */
  readonly before: readonly string[];
  readonly tables: { readonly cos: string; readonly sin: string };
  readonly bias: string;
}

function decoderLayer(g: GraphBuilder, x: string, { text, layer, before, tables, bias }: LayerInputs) {
  const { num_attention_heads: heads, num_key_value_heads: groups, head_dim: headDim, rms_norm_eps: epsilon } = text;
  const normed = rmsNorm(g, x, `${layer}input_layernorm`, epsilon);
  const split = (name: string, count: number) =>
    splitHeads(g, linear(g, normed, `${layer}self_attn.${name}`), count, headDim);
  const turned = rope(g, split("q_proj", heads), tables);
  const [key, value] = [rope(g, split("k_proj", groups), tables), split("v_proj", groups)].map((now, i) =>
    g.node("Concat", [before[i] as string, now], { axis: 2 }),
  ) as [string, string];
  // Queries of one group are rows of one matrix, so that its keys and values are read once.
  const query = g.node("Reshape", [turned, g.ints([0, groups, -1, headDim])]);
  const mixed = g.node("Reshape", [
    attention(g, { query, key, value, headDim, bias }),
    g.ints([0, heads, -1, headDim]),
  ]);
  const attended = g.node("Add", [x, linear(g, mergeHeads(g, mixed, heads * headDim), `${layer}self_attn.o_proj`)]);

  const inner = rmsNorm(g, attended, `${layer}post_attention_layernorm`, epsilon);
  const gate = activate(g, linear(g, inner, `${layer}mlp.gate_proj`), "silu");
  const gated = g.node("Mul", [gate, linear(g, inner, `${layer}mlp.up_proj`)]);
  return { y: g.node("Add", [attended, linear(g, gated, `${layer}mlp.down_proj`)]), key, value };
}

/**
 * 0 where a query may look and -1e30 where not, `[B, 1, rows·S, T]`: to its right, or at padding. Finite, so that a row of padding that may
 * look nowhere stays a number. Once for all layers, and once for each of a group's queries.
 */
function attentionBias(
  g: GraphBuilder,
  { embeddings, mask, rows }: { readonly embeddings: string; readonly mask: string; readonly rows: number },
): string {
  const total = lengthOf(g, mask);
  const range = (from: string) => g.node("Range", [from, total, g.ints(1)]);
  const queries = g.node("Unsqueeze", [range(g.node("Sub", [total, lengthOf(g, embeddings)])), g.ints([1])]);
  const causal = g.node("LessOrEqual", [range(g.ints(0)), queries]); // [S, T]
  const real = g.node("Unsqueeze", [g.node("Cast", [mask], { to: TYPES.bool }), g.ints([1, 2])]); // [B, 1, 1, T]
  const bias = g.node("Where", [g.node("And", [causal, real]), g.floats(0), g.floats(-1e30)]);
  return rows === 1 ? bias : g.node("Concat", Array(rows).fill(bias), { axis: 2 });
}

/** Size of the second axis, a scalar. */
const lengthOf = (g: GraphBuilder, value: string): string => g.node("Gather", [g.node("Shape", [value]), g.ints(1)]);

function lastPositions(g: GraphBuilder, x: string): string {
  const count = g.input("num_logits_to_keep", "int64", []);
  const length = lengthOf(g, x);
  const any = g.node("Cast", [count], { to: TYPES.bool });
  const start = g.node("Where", [any, g.node("Sub", [length, count]), g.ints(0)]);
  return g.node("Slice", [x, g.node("Unsqueeze", [start, g.ints([0])]), g.ints([2 ** 31 - 1]), g.ints([1])]);
}
