import type { StepReport } from "@kd/contract";

/** One step of a run as one flat object, keys as wandb writes them: a line of `metrics.jsonl`. */
export interface MetricsRow {
  /** Counts the run's steps from 1, over all stages. */
  readonly _step: number;
  /** Seconds since 1970. */
  readonly _timestamp: number;
  readonly stage: string;
  /** Counts the stage's steps from 1. */
  readonly stage_step: number;
  readonly [key: string]: number | string | null;
}

/** Where in a run a step was, and what is known of it beside its report. */
export interface StepPlace {
  readonly stage: string;
  /** Steps of the stages before this one. */
  readonly before: number;
  readonly timestamp: number;
  /** CPU seconds that the process spent on it. */
  readonly cpuSeconds: number;
  /** Numbers under their own keys, as `eval/macro`. */
  readonly evaluation?: Readonly<Record<string, number>>;
}

/** The row of a step; terms are `train/loss_<term>`. */
export function metricsRow(report: StepReport, place: StepPlace): MetricsRow {
  const { step, loss, parts, lr, gradNorm, updateNorm, tokensPerSecond, seconds, dataSeconds } = report;
  return {
    _step: place.before + step,
    _timestamp: place.timestamp,
    stage: place.stage,
    stage_step: step,
    "train/loss": loss,
    ...Object.fromEntries(Object.entries(parts).map(([term, value]) => [`train/loss_${term}`, value])),
    "opt/lr": lr,
    "opt/grad_norm": gradNorm,
    ...(updateNorm === undefined ? {} : { "opt/update_norm": updateNorm }),
    "perf/tokens_per_second": tokensPerSecond,
    ...(seconds === undefined ? {} : { "perf/step_seconds": seconds }),
    ...(dataSeconds === undefined ? {} : { "perf/data_seconds": dataSeconds }),
    "perf/cpu_seconds": place.cpuSeconds,
    ...place.evaluation,
  };
}
