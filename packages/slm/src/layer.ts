import {
  attention,
  attentionMaps,
  concat,
  keep,
  linear,
  type Operand,
  type RopeTables,
  residual,
  rmsNorm,
  rope,
  swiglu,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensorOf,
  view,
} from "@kd/tensor-core";
import type { KeyValueCache } from "./cache.ts";
import type { SlmConfig } from "./config.ts";
import type { Dropout } from "./lora/dropout.ts";
import { adapted } from "./lora/linear.ts";

export interface LayerOperands {
  /** `[B, T, D]` */
  readonly x: Operand;
  /** Tables of {@link rope}. */
  readonly cos: Operand;
  readonly sin: Operand;
  readonly keyMask?: Operand;
}

export interface LayerContext {
  readonly config: SlmConfig;
  readonly index: number;
  /** The layer's parameter of this name; undefined when a bias or an adapter is absent. */
  readonly find: (name: string) => Operand | undefined;
  /** Dropout of adapters: the same mask whenever a layer runs again. */
  readonly drop: Dropout;
  readonly cache?: KeyValueCache;
}

/** One decoder layer, `[B, T, D]` to `[B, T, D]`. */
export function decoderLayer(operands: LayerOperands, context: LayerContext): Tensor3D {
  const x = tensorOf(operands.x) as Tensor3D;
  const { config, index, cache } = context;
  const { norm, project, split, merge } = partsOf(x, context);
  const { normed, query, key } = queryAndKey(operands, context);
  const value = split(project(normed, "self_attn.v_proj"), config.num_key_value_heads);
  const read = cache === undefined ? { key, value } : extend(cache, index, { key, value });
  const attended = attention({ query, ...read, causal: true, ...maskOf(operands) });
  const y = residual(x, project(merge(attended), "self_attn.o_proj"));

  const g = norm(y, "post_attention_layernorm");
  const gated = swiglu(project(g, "mlp.gate_proj"), project(g, "mlp.up_proj"));
  return residual(y, project(gated, "mlp.down_proj")) as Tensor3D;
}

/** The attention maps of the layer, `[B, H, T, T]`, from the same input. */
export function decoderMaps(operands: LayerOperands, context: LayerContext): Tensor4D {
  const { query, key } = queryAndKey(operands, context);
  return attentionMaps({ query, key, causal: true, ...maskOf(operands) });
}

function queryAndKey(operands: LayerOperands, context: LayerContext) {
  const x = tensorOf(operands.x) as Tensor3D;
  const tables = { cos: tensorOf(operands.cos) as Tensor2D, sin: tensorOf(operands.sin) as Tensor2D };
  const { num_attention_heads: heads, num_key_value_heads: keyHeads } = context.config;
  const { norm, project, split } = partsOf(x, context);
  const normed = norm(x, "input_layernorm");
  const query = rotate(split(project(normed, "self_attn.q_proj"), heads), tables);
  const key = rotate(split(project(normed, "self_attn.k_proj"), keyHeads), tables);
  return { normed, query, key };
}

/** By tables of T positions that all sequences share, or of B·T positions of their own. */
function rotate(x: Tensor4D, tables: RopeTables): Tensor4D {
  const [batch, length, heads, width] = x.shape;
  if (tables.cos.shape[0] === length) return rope(x, tables);
  return view(rope(view(x, [1, batch * length, heads, width]) as Tensor4D, tables), x.shape) as Tensor4D;
}

/** The layer's operations by their parameters' names. */
function partsOf({ shape: [batch, length] }: Tensor3D, context: LayerContext) {
  const { config, find } = context;
  const weight = (name: string) => find(`${name}.weight`) as Operand<Tensor2D>;
  return {
    norm: (t: Tensor, name: string) =>
      rmsNorm(t, find(`${name}.weight`) as Operand<Tensor1D>, { epsilon: config.rms_norm_eps }),
    project: (t: Tensor, name: string) => {
      const y = linear(t, weight(name), find(`${name}.bias`) as Operand<Tensor1D>);
      return adapted(y, t, name, context);
    },
    split: (t: Tensor, count: number) => view(t, [batch, length, count, config.head_dim]) as Tensor4D,
    merge: (t: Tensor4D) => view(t, [batch, length, t.shape[2] * config.head_dim]),
  };
}

const maskOf = ({ keyMask }: LayerOperands) =>
  keyMask === undefined ? {} : { keyMask: tensorOf(keyMask) as Tensor2D };

function extend(cache: KeyValueCache, index: number, fresh: { key: Tensor4D; value: Tensor4D }) {
  const before = cache.layers[index];
  const next =
    before === undefined
      ? { key: fresh.key.clone(), value: fresh.value.clone() }
      : { key: concat([before.key, fresh.key], 1), value: concat([before.value, fresh.value], 1) };
  before?.key.dispose();
  before?.value.dispose();
  cache.layers[index] = { key: keep(next.key), value: keep(next.value) };
  return next;
}
