import { type ResumableOptions, restoreWeights, resumable } from "@kd/stages";
import { followRun } from "./follow-run.ts";

export interface RunTraining<M>
  extends Pick<ResumableOptions<M>, "params" | "trainable" | "totalSteps" | "step" | "train"> {
  /** What the progress line calls it. */
  readonly name: string;
  readonly folder: string;
  /** What must not change between a run and its resumption. */
  readonly config: unknown;
}

/** Trains one thing to its end in a folder of its own, resumable. */
export async function runTraining<M>({ name, folder, config, ...training }: RunTraining<M>): Promise<void> {
  await followRun({
    folder,
    config,
    stages: [
      {
        name,
        totalSteps: training.totalSteps,
        open: (saved) => resumable({ ...training, ...(saved === undefined ? {} : { saved }) }),
      },
    ],
    handOver: (saved) => restoreWeights(saved, training.params),
  });
}
