import { type Params, type Rng, type Tensor, tensor, variable, zeros } from "@kd/tensor-core";
import type { SlmConfig } from "../config.ts";
import { LLAVA_PREFIX } from "../names.ts";
import type { LoraConfig } from "./config.ts";
import { targetsOf } from "./targets.ts";

/** Low-rank matrices beside the linears of a decoder. */
export interface Adapter {
  readonly lora: LoraConfig;
  /** `<linear>.lora_A.weight` `[r, in]` and `<linear>.lora_B.weight` `[out, r]`, variables, the caller's to dispose. */
  readonly params: Params;
}

/** A decoder: what this package's functions take, spread among their options. */
export interface Slm {
  readonly config: SlmConfig;
  readonly params: Params;
  /** Before the names of its parameters. @defaultValue `"language_model."` */
  readonly prefix?: string;
}

const isAdapter = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

/**
 * A new adapter as PEFT starts it: A uniform within ±1 / √in, B zero, so that the model is as it was.
 *
 * @throws KdError `KD_CONFIG` when `target_modules` matches nothing.
 */
export function initAdapter(options: {
  readonly config: SlmConfig;
  readonly lora: LoraConfig;
  readonly rng: Rng;
  /** @defaultValue `"language_model."` */
  readonly prefix?: string;
}): Adapter {
  const { config, lora, rng, prefix = LLAVA_PREFIX } = options;
  const params: Params = new Map();
  const trained = (name: string, value: Tensor) => {
    params.set(name, variable(value));
    value.dispose();
  };
  for (const { name, out, inputs } of targetsOf(lora, config, prefix)) {
    const stream = rng.fork(name.slice(prefix.length));
    const bound = 1 / Math.sqrt(inputs);
    const values = Float32Array.from({ length: lora.r * inputs }, () => (2 * stream.next() - 1) * bound);
    trained(`${name}.lora_A.weight`, tensor(values, [lora.r, inputs]));
    trained(`${name}.lora_B.weight`, zeros([out, lora.r]));
  }
  return { lora, params };
}

/** The model with the adapter in it: its parameters are shared with both arguments, which own them still. */
export function withAdapter(model: Slm, { lora, params: adapter }: Adapter): Slm {
  const base = [...model.params].filter(([name]) => !isAdapter(name));
  return { ...model, config: { ...model.config, lora }, params: new Map([...base, ...adapter]) };
}

/** Of a decoder's parameters those that are trained: its adapters where it has any, otherwise all. */
export function trainedNames(names: readonly string[]): string[] {
  const adapters = names.filter(isAdapter);
  return adapters.length > 0 ? adapters : [...names];
}
