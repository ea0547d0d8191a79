import { KdError } from "@kd/contract";
import { linear, mul, type Operand, residual, type Tensor, type Tensor2D } from "@kd/tensor-core";
import type { LayerContext } from "../layer.ts";
import { loraScale } from "./config.ts";

/** `y + scale · B · A · x`, where the linear has an adapter; y without. */
export function adapted(y: Tensor, x: Tensor, name: string, { config, index, find, drop }: LayerContext): Tensor {
  const a = find(`${name}.lora_A.weight`) as Operand<Tensor2D> | undefined;
  if (a === undefined) return y;
  if (config.lora === undefined)
    throw new KdError(
      "KD_CONFIG",
      `slmForward: layer ${index} has an adapter at ${name}, but the configuration has no lora; take both from withAdapter`,
    );
  const b = find(`${name}.lora_B.weight`) as Operand<Tensor2D>;
  const narrow = mul(linear(drop(x, `${index}.${name}`), a), loraScale(config.lora));
  return residual(y, linear(narrow, b));
}
