export { initOptimizerState, type OptimizerState } from "./optimizer-state.ts";
export { type Kept, type ResumableOptions, resumable } from "./resumable.ts";
export { learningRateAt, type Schedule } from "./schedule.ts";
export { type DistillWeights, presets, type StageRecord, stages } from "./stages.ts";
export type { KeptTopK, TaughtRows, TeacherRows } from "./teacher-rows.ts";
export { train } from "./train.ts";
export type { MicroLoss, StepLoss, TrainOptions, TrainReport } from "./train-options.ts";
export { type TrainStageOptions, trainableNames, trainStage } from "./train-stage.ts";
export { restoreWeights } from "./training-state.ts";
