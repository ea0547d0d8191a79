import { KdError, type ResumableTraining, type StepReport, type TrainingState } from "@kd/contract";
import { dispose, type Params } from "@kd/tensor-core";
import { initOptimizerState, type OptimizerState } from "./optimizer-state.ts";
import { restoreOptimizer, restoreWeights, saveTrainingState } from "./training-state.ts";

/** Something of the caller's that a resumed training must find as it was: a random stream, a cursor. */
export interface Kept {
  /** As JSON keeps it. */
  save(): unknown;
  restore(saved: unknown): void;
}

/** Options of {@link resumable}; M is a micro-batch. */
export interface ResumableOptions<M> {
  readonly params: Params;
  /** Names of the parameters that the training changes. */
  readonly trainable: readonly string[];
  /** Names of the weights to save: those that earlier stages changed are needed, too. @defaultValue `trainable` */
  readonly weights?: readonly string[];
  /** Length of the whole training. */
  readonly totalSteps: number;
  /** Micro-batches of a step, counted from 0; the count is the data cursor, so make it a function of it where you can. */
  readonly step: (index: number) => readonly M[] | Promise<readonly M[]>;
  /** Usually `trainStage` or `train` with these steps and this state. */
  readonly train: (steps: AsyncIterable<readonly M[]>, state: OptimizerState) => AsyncIterable<StepReport>;
  /** What else must be as it was, by name. @defaultValue nothing */
  readonly keeps?: Readonly<Record<string, Kept>>;
  /** What `save()` gave before; weights and `keeps` are put back. @defaultValue a fresh start with the weights as they are */
  readonly saved?: TrainingState;
}

/**
 * A training that can be saved after any step and goes on from there bit for bit, on the same engine. Where a step throws, `save()` still gives
 * the state before it, unless the step had begun to change weights: then it is refused with `KD_WEIGHTS`.
 *
 * @throws KdError `KD_WEIGHTS` where `saved` and the model do not fit, or lacks something of `keeps`.
 */
export function resumable<M>(options: ResumableOptions<M>): ResumableTraining {
  const { params, trainable, weights = trainable, totalSteps, step, train, keeps = {}, saved } = options;
  const state = saved === undefined ? initOptimizerState(params, trainable) : restored(saved, options);
  const kept = (): string =>
    JSON.stringify(Object.fromEntries(Object.entries(keeps).map(([name, { save }]) => [name, save()])));
  let begun: { readonly step: number; readonly kept: string } | undefined; // what a step draws before it fails was not trained on
  const steps = async function* (): AsyncGenerator<readonly M[]> {
    for (let index = state.step; index < totalSteps; index++) {
      begun = { step: state.step, kept: kept() };
      yield await step(index);
    }
  };
  const trained = train(steps(), state);
  const reports = async function* (): AsyncGenerator<StepReport> {
    for await (const report of trained) {
      begun = undefined;
      yield report;
    }
  };
  return {
    reports: reports(),
    save: async () => {
      if (begun !== undefined && begun.step !== state.step)
        throw new KdError(
          "KD_WEIGHTS",
          `resumable: step ${state.step} stopped while it changed the weights, which cannot be saved; go on from what was saved before`,
        );
      return saveTrainingState({ params, weights, state, keeps: JSON.parse(begun?.kept ?? kept()) });
    },
    dispose: () => dispose([...state.m, ...state.v]),
  };
}

function restored<M>(saved: TrainingState, { params, trainable, keeps = {} }: ResumableOptions<M>): OptimizerState {
  const { state, keeps: kept } = restoreOptimizer(saved, { trainable, params });
  try {
    for (const name of Object.keys(keeps))
      if (!Object.hasOwn(kept, name))
        throw new KdError("KD_WEIGHTS", `resumable: the saved training has no "${name}" to keep; start it afresh`);
    restoreWeights(saved, params);
    for (const [name, { restore }] of Object.entries(keeps)) restore(kept[name]);
    return state;
  } catch (error) {
    dispose([...state.m, ...state.v]);
    throw error;
  }
}
