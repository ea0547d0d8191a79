import {
  attention,
  concat,
  keep,
  linear,
  type Operand,
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
import type { Qwen2Config } from "./config.ts";

export interface LayerOperands {
  /** `[B, T, D]` */
  readonly x: Operand;
  /** Tables of {@link rope}. */
  readonly cos: Operand;
  readonly sin: Operand;
  readonly keyMask?: Operand;
}

export interface LayerContext {
  readonly config: Qwen2Config;
  readonly index: number;
  /** The layer's parameter of this name; undefined when a bias is absent. */
  readonly find: (name: string) => Operand | undefined;
  readonly cache?: KeyValueCache;
}

/** One decoder layer, `[B, T, D]` to `[B, T, D]`. */
export function qwen2Layer(operands: LayerOperands, { config, index, find, cache }: LayerContext): Tensor3D {
  const x = tensorOf(operands.x) as Tensor3D;
  const tables = { cos: tensorOf(operands.cos) as Tensor2D, sin: tensorOf(operands.sin) as Tensor2D };
  const masked = operands.keyMask === undefined ? {} : { keyMask: tensorOf(operands.keyMask) as Tensor2D };
  const { num_attention_heads: heads, num_key_value_heads: keyHeads, hidden_size: width } = config;
  const [batch, length] = x.shape;
  const weight = (name: string) => find(`${name}.weight`) as Operand<Tensor2D>;
  const norm = (t: Tensor, name: string) =>
    rmsNorm(t, find(`${name}.weight`) as Operand<Tensor1D>, { epsilon: config.rms_norm_eps });
  const project = (t: Tensor, name: string) => linear(t, weight(name), find(`${name}.bias`) as Operand<Tensor1D>);
  const split = (t: Tensor, count: number) => view(t, [batch, length, count, width / heads]) as Tensor4D;

  const h = norm(x, "input_layernorm");
  const query = rope(split(project(h, "self_attn.q_proj"), heads), tables);
  const key = rope(split(project(h, "self_attn.k_proj"), keyHeads), tables);
  const value = split(project(h, "self_attn.v_proj"), keyHeads);
  const read = cache === undefined ? { key, value } : extend(cache, index, { key, value });
  const attended = attention({ query, ...read, causal: true, ...masked });
  const y = residual(x, project(view(attended, [batch, length, width]), "self_attn.o_proj"));

  const g = norm(y, "post_attention_layernorm");
  const gated = swiglu(project(g, "mlp.gate_proj"), project(g, "mlp.up_proj"));
  return residual(y, project(gated, "mlp.down_proj")) as Tensor3D;
}

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
