import { type Adapter, mergeAdapter as merge, withAdapter as put, type Slm } from "@kd/slm";
import { type Llava, llavaOf } from "./llava.ts";

/**
 * The model with an adapter beside its language model's linears, sharing all parameters with both arguments. Its group `slm` is the adapter
 * alone, so that a stage that trains `slm` leaves the base weights as they are.
 *
 * @param adapter of `initAdapter` (`@kd/slm`) or `loadAdapter` (`@kd/slm/node`) for the model's `text_config`
 */
export function withAdapter(model: Llava, adapter: Adapter): Llava {
  return of(model, put(decoderOf(model), adapter));
}

/** The same model with its adapter added to the weights, which are new where they were adapted and the caller's to dispose. */
export function mergeAdapter(model: Llava): Llava {
  return of(model, merge(decoderOf(model)));
}

const decoderOf = ({ config, params }: Llava): Slm => ({ config: config.text_config, params });

const of = ({ config, tower }: Llava, { config: text_config, params }: Slm): Llava =>
  llavaOf({ config: { ...config, text_config }, params, tower });
