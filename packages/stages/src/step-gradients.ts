import {
  add,
  dispose,
  keep,
  type Scalar,
  type Tensor,
  tidy,
  type Variable,
  variableGrads,
  zerosLike,
} from "@kd/tensor-core";
import type { StepLoss } from "./train-options.ts";

interface StepGradientsOptions<M> {
  readonly loss: StepLoss<M>;
  readonly variables: readonly Variable[];
  /** A scalar of value 0 that every loss is connected to, so that tfjs does not throw when a step touches no trainable parameter. */
  readonly anchor: Variable;
}

interface StepGradients {
  readonly loss: number;
  readonly parts: Readonly<Record<string, number>>;
  /** One a variable, zero where the step does not touch it; the caller's to dispose. */
  readonly grads: Tensor[];
}

/** Loss, parts and gradients of a step: its micro-batches' added up. */
export async function stepGradients<M>(
  step: readonly M[],
  { loss: lossOf, variables, anchor }: StepGradientsOptions<M>,
): Promise<StepGradients> {
  const grads: Tensor[] = [];
  const parts: Record<string, number> = {};
  let loss = 0;
  try {
    for (const micro of step) {
      const kept: Record<string, Scalar> = {};
      const total = tidy(() => {
        const terms = lossOf(micro, step);
        const { value, grads: found } = variableGrads(() => {
          const { loss, parts } = terms();
          for (const [name, part] of Object.entries(parts)) kept[name] = keep(part);
          return add(loss, anchor);
        }, [...variables, anchor]);
        for (const [i, v] of variables.entries()) addGradient(grads, i, found[v.name], v);
        return value;
      });
      loss += await read(total);
      for (const [name, part] of Object.entries(kept)) parts[name] = (parts[name] ?? 0) + (await read(part));
    }
    return { loss, parts, grads };
  } catch (error) {
    dispose(grads);
    throw error;
  }
}

function addGradient(grads: Tensor[], i: number, found: Tensor | undefined, of: Variable): void {
  const before = grads[i];
  if (before === undefined) grads[i] = keep(found ?? zerosLike(of));
  else if (found !== undefined) {
    grads[i] = keep(add(before, found));
    before.dispose();
  }
}

async function read(scalar: Tensor): Promise<number> {
  const [value] = await scalar.data();
  scalar.dispose();
  return value as number;
}
