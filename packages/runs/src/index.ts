export { type MetricsRow, metricsRow, type StepPlace } from "./metrics-row.ts";
export {
  formatDuration,
  isMilestone,
  overwritingLine,
  type ProgressLineOptions,
  progressLine,
} from "./progress-line.ts";
export { stepTimes } from "./step-times.ts";
export { tensorboardEvent, tensorboardHeader } from "./tensorboard-event.ts";
