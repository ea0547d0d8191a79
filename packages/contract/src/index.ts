export type { AllReduce } from "./all-reduce.ts";
export { KdError, type KdErrorCode } from "./error.ts";
export { responseRows, visualRows } from "./rows.ts";
export { IGNORE_INDEX, type ImageBatch, type ImageSpan, type TokenBatch } from "./token-batch.ts";
export type { PlainTensor, ResumableTraining, StepReport, TrainingState } from "./training.ts";
