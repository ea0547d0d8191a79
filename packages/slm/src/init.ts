import { type Params, type Rng, tensor } from "@kd/tensor-core";
import type { SlmConfig } from "./config.ts";
import { LLAVA_PREFIX, slmShapes } from "./names.ts";

/**
 * New weights: embedding normal with deviation 0.05, matrices with variance 1 / inputs, those that write into the residual stream divided by
 * √(2·layers) as in GPT-2, biases 0, norms 1. Every parameter draws from its own stream.
 */
export function initSlm(config: SlmConfig, rng: Rng, prefix: string = LLAVA_PREFIX): Params {
  const params: Params = new Map();
  const residual = 1 / Math.sqrt(2 * config.num_hidden_layers);
  for (const [name, shape] of slmShapes(config, prefix)) {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    const stream = rng.fork(name.slice(prefix.length));
    const inputs = shape[1] ?? 1;
    const writes = name.endsWith("o_proj.weight") || name.endsWith("down_proj.weight");
    const deviation = name.endsWith("embed_tokens.weight") ? 0.05 : (writes ? residual : 1) / Math.sqrt(inputs);
    if (shape.length === 2) for (let i = 0; i < values.length; i++) values[i] = stream.normal() * deviation;
    else if (!name.endsWith(".bias")) values.fill(1);
    params.set(name, tensor(values, [...shape]));
  }
  return params;
}
