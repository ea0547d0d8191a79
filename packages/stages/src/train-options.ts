import type { AllReduce, StepReport } from "@kd/contract";
import type { Params, Scalar } from "@kd/tensor-core";
import type { OptimizerState } from "./optimizer-state.ts";

/** What a micro-batch adds to its step, already divided by the whole step's counts. */
export interface MicroLoss {
  /** Minimised; differentiable. */
  readonly loss: Scalar;
  /** Reported, not minimised: the terms that `loss` is made of. */
  readonly parts: Readonly<Record<string, Scalar>>;
}

/** Called outside the gradient (a teacher runs here); the function it returns runs inside. */
export type StepLoss<M> = (micro: M, step: readonly M[]) => () => MicroLoss;

/** Options of {@link train}; M is a micro-batch of any kind. */
export interface TrainOptions<M> {
  /** Parameters by name, trained and frozen ones. */
  readonly params: Params;
  /** Names of the parameters to train; each must be a variable. */
  readonly trainable: readonly string[];
  /** Micro-batches of one step after another. A resumed run is given only the steps left. */
  readonly steps: AsyncIterable<readonly M[]> | Iterable<readonly M[]>;
  /** Length of the whole schedule, resumed steps included. */
  readonly totalSteps: number;
  /** Loss of one micro-batch. */
  readonly loss: StepLoss<M>;
  /** Peak learning rate. */
  readonly learningRate: number;
  /** Share of `totalSteps` that warm up. @defaultValue 0.03, the paper's */
  readonly warmupRatio?: number;
  /** Decoupled; never on names that end in `bias` or contain `norm`. @defaultValue 0 */
  readonly weightDecay?: number;
  /** Decay of AdamW's two moments. @defaultValue [0.9, 0.999] */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. @defaultValue 1e-8 */
  readonly epsilon?: number;
  /** Global norm that gradients are clipped to. @defaultValue 1, as Hugging Face's trainer */
  readonly maxGradNorm?: number;
  /** Tokens of a micro-batch, for the speed. @defaultValue none are counted */
  readonly tokensOf?: (micro: M) => number;
  /** Whether reports have `updateNorm`: two passes over the trained parameters. @defaultValue false */
  readonly updateNorm?: boolean;
  /** State to go on from; updated in place and left to the caller to dispose. @defaultValue fresh, disposed at the end */
  readonly state?: OptimizerState;
  /**
   * Sums gradients, losses and tokens over the ranks of a group: each trains on its own micro-batches of every step, from the same weights,
   * and ends with the same. `loss` must then divide by what the step has on all ranks, as `trainStage` does. @defaultValue one rank alone
   */
  readonly allReduce?: AllReduce;
  /** Named in errors. @defaultValue "train" */
  readonly where?: string;
}

/** What one step did; loss and parts are summed over its micro-batches (of all ranks). */
export type TrainReport = StepReport;
