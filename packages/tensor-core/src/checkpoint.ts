import { halfOf, halfTensor } from "./half.ts";
import { constant, differentiable, type Operand, tensorOf } from "./operand.ts";
import { engine, type Tensor, tidy, zerosLike } from "./ops.ts";

/**
 * Runs a block of a model as one op that keeps its operands and nothing else: backward runs the block again and takes the gradient then
 * (activation checkpointing, arXiv 1604.06174). Values and gradients are those of the block itself.
 *
 * @param operands everything the block reads that a gradient reaches or that may be freed before backward: its input, its trained
 * parameters, tables and masks (as constants). Frozen parameters may as well be closed over.
 * @param block called with the operands under the same names, twice when a gradient is asked for; it must do the same both times
 * @returns the block's result, the caller's to dispose
 */
export function checkpoint<K extends string>(
  operands: Readonly<Record<K, Operand>>,
  block: (operands: Record<K, Operand>) => Tensor,
): Tensor {
  const names = Object.keys(operands) as K[];
  const live: Partial<Record<K, Operand>> = {};
  const halves: Partial<Record<K, () => Tensor>> = {}; // kept as they are, and widened inside the block
  for (const name of names) {
    const tensor = tensorOf(operands[name]);
    const half = halfOf(tensor);
    if (half === undefined) live[name] = operands[name];
    else halves[name] = () => halfTensor({ ...half, shape: tensor.shape });
  }
  const operandsOf = (tensors: Record<K, Tensor>): Record<K, Operand> => {
    const given = {} as Record<K, Operand>;
    for (const name of names) {
      const tensor = halves[name]?.() ?? tensors[name];
      given[name] = "constant" in operands[name] ? constant(tensor) : tensor;
    }
    return given;
  };
  return differentiable(live as Record<K, Operand>, (values) => ({
    value: tidy(() => block(operandsOf(values))),
    backward: (dy, _, wants) => {
      const wanted = names.filter(wants);
      const inputs = wanted.map((name) => values[name]);
      const gradients = onTapeOfItsOwn(() => block(operandsOf(values)), inputs, dy);
      return Object.fromEntries(wanted.map((name, i) => [name, gradients[i]])) as Partial<Record<K, Tensor>>;
    },
  }));
}

/** Gradients of `f` inside the backward pass of another tape, which tfjs holds in one place. What `f` does not touch has gradient zero. */
function onTapeOfItsOwn(f: () => Tensor, inputs: readonly Tensor[], dy: Tensor): Tensor[] {
  const { state } = engine();
  const outer = state.activeTape;
  try {
    return tidy(() => {
      const { grads } = engine().gradients(f, [...inputs], dy, true);
      return inputs.map((input, i) => (grads[i] as Tensor | undefined) ?? zerosLike(input));
    });
  } finally {
    state.activeTape = outer;
  }
}
