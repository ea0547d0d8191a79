export { savedEnvironment } from "./begin-run.ts";
export {
  type Checkpoint,
  type CheckpointPlace,
  type Environment,
  readCheckpoint,
  readCheckpointPlace,
  writeCheckpoint,
} from "./checkpoint.ts";
export { checkpointPath, checkpointSteps, type Damaged, latestCheckpoint } from "./checkpoint-list.ts";
export { type RunEvaluation, writeEvaluation } from "./evaluation-file.ts";
export { type EventFile, openEventFile } from "./event-file.ts";
export { gitCommit } from "./git-commit.ts";
export { writing } from "./io-error.ts";
export { type MetricsFile, openMetrics, readMetrics } from "./metrics-file.ts";
export { readRun } from "./read-run.ts";
export { checkRunFolder, type RunConfig, readRunConfig } from "./run-folder.ts";
export type { RunEvent, RunOptions, RunResult, RunStage } from "./run-options.ts";
export { runStages } from "./run-stages.ts";
export type { RunSummary } from "./summary.ts";
