import { checkpoint } from "./checkpoint.ts";
import type { Params } from "./model.ts";
import { type Operand, operand } from "./operand.ts";
import { type Tensor, tidy } from "./ops.ts";

/** By name; those that a layer may go without are left out. */
type Operands = Readonly<Record<string, Operand>>;

/** What {@link runLayer} gives to a layer. */
export interface RunLayer<O extends Operands> {
  readonly params: Params;
  /** Of the layer's parameters: `"model.layers.0."`. */
  readonly prefix: string;
  /** Names of the parameters that need a gradient; none by default. */
  readonly trainable?: ReadonlySet<string> | undefined;
  /** What else the layer reads: its input, and as constants its tables and masks. */
  readonly operands: O;
  /** Keep the operands for backward and run the layer again there. @defaultValue false */
  readonly gradientCheckpointing?: boolean | undefined;
}

/** A layer reads its operands, and its parameters by their names behind the prefix. */
type Layer<O extends Operands> = (operands: O, find: (name: string) => Operand) => Tensor;

/**
 * Runs one layer of a model, plain or as a {@link checkpoint}, and frees what no gradient needs.
 *
 * @returns the layer's result, the caller's to dispose
 * @throws KdError `KD_WEIGHTS` for a missing parameter.
 */
export function runLayer<O extends Operands>(options: RunLayer<O>, layer: Layer<O>): Tensor {
  const { params, prefix, trainable, operands, gradientCheckpointing = false } = options;
  const find = (name: string): Operand => operand(params, prefix + name, trainable);
  if (!gradientCheckpointing) return tidy(() => layer(operands, find));
  const trained: Record<string, Operand> = {};
  for (const name of trainable ?? [])
    if (name.startsWith(prefix) && params.has(name)) trained[name] = operand(params, name, trainable);
  return checkpoint<string>({ ...operands, ...trained }, (given) =>
    layer(given as unknown as O, (name) => given[prefix + name] ?? find(name)),
  );
}
