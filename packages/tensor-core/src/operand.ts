import { KdError } from "@kd/contract";
import { halfOf, widenData } from "./half.ts";
import type { Params } from "./model.ts";
import { customGrad, engine, type Tensor, tidy } from "./ops.ts";

/** A tensor that an op reads but gives no gradient: it is closed over and never reaches the tape. */
export interface Constant<T extends Tensor = Tensor> {
  readonly constant: T;
}

/** What an op reads: a tensor (it gets a gradient when one is asked for) or a {@link Constant}. */
export type Operand<T extends Tensor = Tensor> = T | Constant<T>;

/** Marks a tensor as frozen for one op: nothing is computed for its gradient. The tensor stays the caller's. */
export function constant<T extends Tensor>(tensor: T): Constant<T> {
  return { constant: tensor };
}

/** The tensor inside an operand. */
export function tensorOf<T extends Tensor>(operand: Operand<T>): T {
  return "constant" in operand ? operand.constant : operand;
}

/**
 * A parameter as an operand: itself when `trainable` names it, constant otherwise.
 *
 * @throws KdError `KD_WEIGHTS` when the parameter is missing, or is to be trained and kept in 16 bits.
 */
export function operand<T extends Tensor>(params: Params, name: string, trainable?: ReadonlySet<string>): Operand<T> {
  const tensor = params.get(name) as T | undefined;
  if (tensor === undefined)
    throw new KdError(
      "KD_WEIGHTS",
      `operand: no parameter "${name}" among ${params.size}; check the prefix and the weights file`,
    );
  if (!trainable?.has(name)) return constant(tensor);
  const half = halfOf(tensor);
  if (half === undefined) return tensor;
  throw new KdError(
    "KD_WEIGHTS",
    `operand: "${name}" must be float32 to be trained, got ${half.format}; load the model without keep, or do not train it`,
  );
}

const ours = new WeakSet<Tensor>(); // gradients that an op returned: the tape uses each once

/**
 * Frees what a backward pass has used up. tfjs would hold every saved activation and every gradient in between until the last op's
 * backward pass: together as much as the forward pass made. In a gradient of a gradient the tape needs them again.
 */
function freeUsed(dy: Tensor, kept: readonly Tensor[], results: readonly Tensor[]): void {
  const { state } = engine() as unknown as { state: { gradientDepth: number } };
  for (const result of results) ours.add(result);
  if (state.gradientDepth > 0) return;
  for (const tensor of ours.has(dy) ? [...kept, dy] : kept) if (!results.includes(tensor)) tensor.dispose();
}

/** What an op's body gives. */
export interface Forward<K extends string> {
  readonly value: Tensor;
  /** Tensors that `backward` needs besides the operands; they live until the gradient is taken. */
  readonly saved?: readonly Tensor[];
  /** Operands that `backward` reads; the others' memory is not held for it. @defaultValue all */
  readonly reads?: readonly K[];
  /** Gradients of the operands that `wants` names, in any order. */
  readonly backward: (dy: Tensor, saved: readonly Tensor[], wants: (name: K) => boolean) => Partial<Record<K, Tensor>>;
}

/**
 * One differentiable op with a hand-written gradient. The tape never sees a constant operand, and `backward` computes nothing for it.
 * Operands in 16 bits are constant: widened for the forward, freed after it and widened again for the backward. What `backward` reads must
 * be an operand or `saved`: a tensor from the caller's closure may be freed before it runs.
 */
export function differentiable<K extends string>(
  operands: Readonly<Record<K, Operand>>,
  forward: (values: Record<K, Tensor>) => Forward<K>,
): Tensor {
  const names = Object.keys(operands) as K[];
  const given = Object.fromEntries(names.map((name) => [name, tensorOf(operands[name])])) as Record<K, Tensor>;
  const halves = names.flatMap((name) => {
    const half = halfOf(given[name]); // data, not the tensor: that may be freed before backward
    return half === undefined ? [] : [{ name, widened: () => widenData(half, given[name].shape) }];
  });
  const live = names.filter((name) => !halves.some((half) => half.name === name));
  const wanted = live.filter((name) => !("constant" in operands[name]));
  const widened = () => {
    const values = { ...given };
    for (const half of halves) values[half.name] = half.widened();
    return values;
  };
  if (wanted.length === 0)
    return tidy(() => {
      const { value } = forward(widened());
      return value;
    });
  const run = customGrad((...args) => {
    const save = args.pop() as unknown as (tensors: Tensor[]) => void;
    const inputs = widened();
    for (const [i, name] of wanted.entries()) inputs[name] = args[i] as Tensor;
    const { value, saved = [], reads = names, backward } = forward(inputs);
    const held = reads.filter((name) => live.includes(name));
    save([...held.map((name) => inputs[name]), ...saved]);
    const gradFunc = (dy: Tensor, kept: Tensor[]): Tensor[] => {
      const results = tidy(() => {
        for (const [i, name] of held.entries()) inputs[name] = kept[i] as Tensor;
        for (const half of halves) onDemand(inputs, half.name, half.widened);
        const gradients = backward(dy, kept.slice(held.length), (name) => wanted.includes(name));
        return wanted.map((name) => gradients[name] as Tensor);
      });
      freeUsed(dy, kept, results);
      return results;
    };
    return { value, gradFunc: gradFunc as never };
  });
  return run(...wanted.map((name) => given[name]));
}

/** A property that is made when it is first read. */
function onDemand<K extends string>(values: Record<K, Tensor>, name: K, make: () => Tensor): void {
  let made: Tensor | undefined;
  Object.defineProperty(values, name, { configurable: true, enumerable: true, get: () => (made ??= make()) });
}
