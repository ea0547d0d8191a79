import {
  gelu,
  linear,
  type Operand,
  operand,
  type Params,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
} from "@kd/tensor-core";
import { PROJECTOR } from "./names.ts";

/** LLaVA's `mlp2x_gelu`: image features `[I, N, D of the tower]` to the language model's width. */
export function project(features: Operand<Tensor3D>, params: Params, trainable?: ReadonlySet<string>): Tensor3D {
  const layer = (x: Operand, name: string): Tensor => {
    const bias = `${PROJECTOR}${name}.bias`;
    const weight = operand<Tensor2D>(params, `${PROJECTOR}${name}.weight`, trainable);
    return linear(x, weight, params.has(bias) ? operand<Tensor1D>(params, bias, trainable) : undefined);
  };
  return layer(gelu(layer(features, "linear_1")), "linear_2") as Tensor3D;
}
