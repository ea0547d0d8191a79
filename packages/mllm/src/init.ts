import { KdError } from "@kd/contract";
import { initSlm } from "@kd/slm";
import { halfOf, type Params, type Rng, type Tensor, tensor, Variable, variable, widen } from "@kd/tensor-core";
import { initVision } from "@kd/vision-encoder";
import type { LlavaConfig } from "./config.ts";
import { llavaShapes, PROJECTOR, VISION } from "./names.ts";

/**
 * New parameters of a whole model; those of `from` (a trained tower, a base language model) are used instead where the names agree. The
 * projector's matrices are normal with variance 1 / inputs, its second one a tenth of that deviation, so that images start quiet.
 *
 * @throws KdError `KD_WEIGHTS` when a parameter of `from` has another shape.
 */
export function initLlava(
  config: LlavaConfig,
  rng: Rng,
  { from = new Map() }: { readonly from?: Params } = {},
): Params {
  const fresh = new Map([...initVision(config.vision_config, rng), ...initSlm(config.text_config, rng)]);
  const params: Params = new Map();
  for (const [name, shape] of llavaShapes(config)) {
    const given = from.get(name);
    const made = fresh.get(name);
    if (given !== undefined && given.shape.join() !== shape.join())
      throw new KdError(
        "KD_WEIGHTS",
        `initLlava: "${name}" must be [${shape.join(", ")}], got [${given.shape.join(", ")}]; use weights of this configuration`,
      );
    if (given !== undefined) made?.dispose();
    params.set(name, (given && copyOf(given)) ?? made ?? projectorTensor(name, shape, rng.fork(name)));
  }
  return trainableParams(params);
}

/** Projector and language model become variables, which stages may train; the tower and what is kept in 16 bits stay plain tensors. */
export function trainableParams(params: Params): Params {
  for (const [name, value] of params) {
    if (name.startsWith(VISION) || value instanceof Variable || halfOf(value) !== undefined) continue;
    params.set(name, variable(value));
    value.dispose();
  }
  return params;
}

/** Shares memory with a float32 tensor. */
const copyOf = (given: Tensor): Tensor => (halfOf(given) === undefined ? given.clone() : widen(given));

function projectorTensor(name: string, shape: readonly number[], rng: Rng) {
  const deviation = (name.startsWith(`${PROJECTOR}linear_2`) ? 0.1 : 1) / Math.sqrt(shape[1] ?? 1);
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  if (shape.length === 2) for (let i = 0; i < values.length; i++) values[i] = rng.normal() * deviation;
  return tensor(values, [...shape]);
}
