/** What one training step did. */
export interface StepReport {
  /** Counts from 1, in its own training. */
  readonly step: number;
  /** Minimised; before the update. */
  readonly loss: number;
  /** The terms that the loss is made of, by name, without their weights. */
  readonly parts: Readonly<Record<string, number>>;
  /** Learning rate of this step. */
  readonly lr: number;
  /** Global norm of the gradients before clipping. */
  readonly gradNorm: number;
  /** Global norm of what the step added to the weights; absent where it was not asked for. */
  readonly updateNorm?: number;
  /** Of the whole step, waiting for its data included; 0 where none are counted. */
  readonly tokensPerSecond: number;
  /** Wall time of the step, from its asking for data to its update. */
  readonly seconds?: number;
  /** What it waited of that for its data: batches and, where they are kept, the teacher's rows. */
  readonly dataSeconds?: number;
}

/** A tensor as plain data, row-major float32. */
export interface PlainTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** All that a training needs to go on as if it had never stopped: what a checkpoint holds, wherever it is kept. */
export interface TrainingState {
  /** Weights, moments and whatever else is large, by name. */
  readonly tensors: ReadonlyMap<string, PlainTensor>;
  /** Step, random states, data cursor: anything that JSON keeps as it is. */
  readonly state: unknown;
}

/** A training that can be saved between two steps; who drives it needs no tensor library. */
export interface ResumableTraining {
  /** The steps that are left. Leaving the loop early is safe. */
  readonly reports: AsyncIterable<StepReport>;
  /** The state after the last report, as a copy. Between two reports alone, or after the reports ended in an error, which it may refuse. */
  save(): Promise<TrainingState>;
  /** Frees what the training made; the weights stay. */
  dispose(): void;
}
