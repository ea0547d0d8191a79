import { KdError } from "@kd/contract";
import { halfOf, type Params, type Tensor, Variable, zerosLike } from "@kd/tensor-core";

/** AdamW's moments, in the order of `names`, and the number of steps done. Tensors are the holder's to dispose. */
export interface OptimizerState {
  /** The trained parameters. */
  readonly names: readonly string[];
  /** First moments, each of its parameter's shape. */
  readonly m: Tensor[];
  /** Second moments. */
  readonly v: Tensor[];
  /** Steps done. */
  step: number;
}

/**
 * Fresh zero moments, to be held across runs of `train`.
 *
 * @throws KdError `KD_WEIGHTS` for a name that is no variable of `params`.
 */
export function initOptimizerState(params: Params, names: readonly string[]): OptimizerState {
  const variables = trainableVariables(params, names);
  return { names, m: variables.map((p) => zerosLike(p)), v: variables.map((p) => zerosLike(p)), step: 0 };
}

/** The variables behind the names; KD_WEIGHTS where one is missing or is a plain tensor. */
export function trainableVariables(params: Params, names: readonly string[]): Variable[] {
  return names.map((name) => {
    const param = params.get(name);
    if (param instanceof Variable) return param;
    const got = param === undefined ? "none" : (halfOf(param)?.format ?? "a plain tensor");
    throw new KdError(
      "KD_WEIGHTS",
      `train: "${name}" must be a variable, got ${got}; load it as one, in float32, or do not train it`,
    );
  });
}
