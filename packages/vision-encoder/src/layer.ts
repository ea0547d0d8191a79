import {
  attention,
  gelu,
  layerNorm,
  linear,
  type Operand,
  residual,
  type Tensor,
  type Tensor4D,
  view,
} from "@kd/tensor-core";
import type { VisionConfig } from "./config.ts";

const ACTIVATION = { gelu_pytorch_tanh: "tanh", gelu: "none", quick_gelu: "quick" } as const;

/** Finds a parameter by its name inside one layer. */
export type Find = <T extends Tensor>(name: string) => Operand<T>;

/** One pre-norm transformer layer; every row sees every row. `[I, N, D]` in and out. */
export function visionLayer(x: Tensor, find: Find, config: VisionConfig): Tensor {
  const norm = (input: Tensor, name: string) =>
    layerNorm(input, find(`${name}.weight`), find(`${name}.bias`), { epsilon: config.layer_norm_eps });
  const project = (input: Tensor, name: string) => linear(input, find(`${name}.weight`), find(`${name}.bias`));
  const [images, rows, width] = x.shape as [number, number, number];
  const heads: [number, number, number, number] = [
    images,
    rows,
    config.num_attention_heads,
    width / config.num_attention_heads,
  ];

  const normed = norm(x, "layer_norm1");
  const split = (name: string) => view(project(normed, `self_attn.${name}`), heads) as Tensor4D;
  const mixed = attention({ query: split("q_proj"), key: split("k_proj"), value: split("v_proj"), causal: false });
  const attended = residual(x, project(view(mixed, [images, rows, width]), "self_attn.out_proj"));

  const inner = gelu(project(norm(attended, "layer_norm2"), "mlp.fc1"), { approximate: ACTIVATION[config.hidden_act] });
  return residual(attended, project(inner, "mlp.fc2"));
}
