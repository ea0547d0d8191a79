import { KdError, type PlainTensor, type TrainingState } from "@kd/contract";
import { type Params, type Tensor, tensor, Variable } from "@kd/tensor-core";
import type { OptimizerState } from "./optimizer-state.ts";

/** What is saved beside tensors: names of the trained parameters, in the moments' order, steps done, and what the caller keeps. */
interface SavedState {
  readonly names: readonly string[];
  readonly step: number;
  readonly keeps: Readonly<Record<string, unknown>>;
}

/** Copies of weights and moments under `param.*`, `m.*` and `v.*`, and step and `keeps` as JSON. */
export async function saveTrainingState(options: {
  readonly params: Params;
  readonly weights: readonly string[];
  readonly state: OptimizerState;
  readonly keeps: Readonly<Record<string, unknown>>;
}): Promise<TrainingState> {
  const { params, weights, state, keeps } = options;
  const tensors = new Map<string, PlainTensor>();
  // A copy: the data may live on a heap that moves while the next tensors are read.
  const add = async (name: string, held: Tensor | undefined): Promise<void> => {
    if (held === undefined)
      throw new KdError("KD_WEIGHTS", `saveTrainingState: there is no ${name}; save the params that were trained`);
    tensors.set(name, { shape: [...held.shape], data: Float32Array.from(await held.data()) });
  };
  for (const name of weights) await add(`param.${name}`, params.get(name) as Tensor | undefined);
  for (const [i, name] of state.names.entries()) {
    await add(`m.${name}`, state.m[i]);
    await add(`v.${name}`, state.v[i]);
  }
  return { tensors, state: { names: [...state.names], step: state.step, keeps } satisfies SavedState };
}

/**
 * Puts the weights of a saved training into `params`, of this stage or of one before it: how stages hand over.
 *
 * @throws KdError `KD_WEIGHTS` for a weight that is no variable of this shape; `params` is then unchanged.
 */
export function restoreWeights({ tensors }: TrainingState, params: Params): void {
  const found = [...tensors].flatMap(([key, stored]) => {
    if (!key.startsWith("param.")) return [];
    const name = key.slice("param.".length);
    const param = params.get(name);
    if (!(param instanceof Variable) || param.shape.join() !== stored.shape.join())
      throw new KdError(
        "KD_WEIGHTS",
        `restoreWeights: "${name}" does not fit the model; take the model it was saved from`,
      );
    return [{ param, stored }];
  });
  for (const { param, stored } of found) {
    const value = asTensor(stored);
    param.assign(value);
    value.dispose();
  }
}

/**
 * The optimiser's state of a saved training of these parameters, whose tensors are the caller's to dispose, and what it kept.
 *
 * @throws KdError `KD_WEIGHTS` where it is of other parameters or none at all.
 */
export function restoreOptimizer(
  { tensors, state }: TrainingState,
  { trainable, params }: { readonly trainable: readonly string[]; readonly params: Params },
): { readonly state: OptimizerState; readonly keeps: Readonly<Record<string, unknown>> } {
  const { names, step, keeps } = (state ?? {}) as Partial<SavedState>;
  if (!Array.isArray(names) || names.join() !== trainable.join() || !Number.isInteger(step) || (step as number) < 0)
    throw new KdError("KD_WEIGHTS", "restoreOptimizer: the state saved is of other parameters; take its own stage");
  const stored = ["m", "v"].map((kind) =>
    names.map((name: string) => {
      const moment = tensors.get(`${kind}.${name}`);
      if (moment === undefined || moment.shape.join() !== params.get(name)?.shape.join())
        throw new KdError("KD_WEIGHTS", `restoreOptimizer: ${kind} of "${name}" does not fit the model`);
      return moment;
    }),
  ) as [PlainTensor[], PlainTensor[]];
  const [m, v] = [stored[0].map(asTensor), stored[1].map(asTensor)];
  return { state: { names, m, v, step: step as number }, keeps: keeps ?? {} };
}

const asTensor = ({ shape, data }: PlainTensor): Tensor => tensor(data, [...shape], "float32");
