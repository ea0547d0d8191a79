import { type Params, type Rng, tensor } from "@kd/tensor-core";
import type { VisionConfig } from "./config.ts";
import { LLAVA_PREFIX, visionShapes } from "./names.ts";

/**
 * New weights: matrices normal with variance 1 / inputs (LeCun), position embedding and class token with 1 / D, biases 0, norms 1. Every
 * parameter draws from its own stream, so that one more layer changes no other.
 */
export function initVision(config: VisionConfig, rng: Rng, prefix: string = LLAVA_PREFIX): Params {
  const params: Params = new Map();
  for (const [name, shape] of visionShapes(config, prefix)) {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    const stream = rng.fork(name.slice(prefix.length));
    const isToken = name.endsWith("class_embedding");
    const inputs = isToken ? config.hidden_size : shape.slice(1).reduce((product, size) => product * size, 1);
    if (shape.length > 1 || isToken)
      for (let i = 0; i < values.length; i++) values[i] = stream.normal() / Math.sqrt(inputs);
    else if (name.endsWith(".weight")) values.fill(1);
    params.set(name, tensor(values, [...shape]));
  }
  return params;
}
