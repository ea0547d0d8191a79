import type { TrainingState } from "@kd/contract";
import type { RunStage } from "@kd/runs/node";
import { type DistillWeights, presets, resumable, stages, trainableNames, trainStage } from "@kd/stages";
import { createRng, rngFromState } from "@kd/tensor-core";
import { divergenceOf, type RunConfig, type StageConfig } from "./config.ts";
import type { OpenStage } from "./open-run.ts";
import type { Student } from "./student.ts";
import type { Teacher } from "./teacher.ts";

/** Every weight that these stages train: a checkpoint holds what the earlier ones left, too. */
export const changedBy = (opened: readonly OpenStage[], { model }: Student): string[] => [
  ...new Set(opened.flatMap(({ kind }) => trainableNames(stages[kind], model))),
];

interface RunStageOptions {
  readonly student: Student;
  readonly teacher: Teacher | undefined;
  readonly config: RunConfig;
  /** Names of the weights to save. */
  readonly changed: readonly string[];
}

/** A stage as a run drives it: what its student, data and dropout were is found again. */
export function runStage({ name, kind, stage, data, totalSteps, seed }: OpenStage, options: RunStageOptions): RunStage {
  const { student, teacher, config, changed } = options;
  let records: () => readonly string[] = () => [];
  const open = (saved?: TrainingState) => {
    const steps = data.steps();
    records = steps.records;
    let rng = createRng(seed).fork(`dropout ${name}`);
    const training = resumable({
      params: student.model.params,
      trainable: trainableNames(stages[kind], student.model),
      weights: changed,
      totalSteps,
      step: () => steps.next(),
      train: (batches, state) =>
        trainStage({
          stage: stages[kind],
          student: student.model,
          ...(teacher === undefined || !stages[kind].distills ? {} : { teacher: teacher.of(stage) }),
          steps: batches,
          state,
          totalSteps,
          weights: weightsOf(stage, config),
          temperature: stage.temperature,
          divergence: divergenceOf(stage),
          gradientCheckpointing: stage.gradient_checkpointing,
          rng,
          learningRate: stage.learning_rate,
          warmupRatio: stage.warmup_ratio,
          weightDecay: stage.weight_decay,
          maxGradNorm: stage.max_grad_norm,
          updateNorm: true,
        }),
      keeps: {
        data: steps.kept,
        rng: { save: () => rng.state(), restore: (words) => (rng = rngFromState(words as number[])) },
      },
      ...(saved === undefined ? {} : { saved }),
    });
    const dispose = (): void => {
      training.dispose();
      steps.close();
    };
    return { ...training, dispose };
  };
  return { name, totalSteps, checkpointEvery: stage.save_steps, open, recordsOf: () => records() };
}

const weightsOf = ({ alpha, beta, gamma }: StageConfig, { preset }: RunConfig): DistillWeights => ({
  ...presets[preset],
  alpha,
  beta,
  gamma,
});
