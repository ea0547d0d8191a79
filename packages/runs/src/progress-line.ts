import type { StepReport } from "@kd/contract";

/** What a progress line says beside the step's report. */
export interface ProgressLineOptions {
  readonly stage: string;
  readonly totalSteps: number;
  /** Until the stage ends; left out where it is not known. */
  readonly millisecondsLeft?: number;
}

/** One step in one line: `dpt 0420/1000 (42.0%) | eta 1m08s | loss 2.1834 | ce 1.620 rdist 0.150 | lr 9.1e-4 | 5,420 tok/s`. */
export function progressLine(
  { step, loss, parts, lr, tokensPerSecond }: StepReport,
  { stage, totalSteps, millisecondsLeft }: ProgressLineOptions,
): string {
  const terms = Object.entries(parts).map(([term, value]) => `${term} ${value.toFixed(3)}`);
  return [
    `${stage} ${String(step).padStart(String(totalSteps).length, "0")}/${totalSteps} (${((100 * step) / totalSteps).toFixed(1)}%)`,
    // early: a narrow terminal cuts the end off
    ...(millisecondsLeft === undefined ? [] : [`eta ${formatDuration(millisecondsLeft)}`]),
    `loss ${loss.toFixed(4)}`,
    ...(terms.length > 0 ? [terms.join(" ")] : []),
    `lr ${lr.toExponential(1)}`,
    ...(tokensPerSecond > 0 ? [`${Math.round(tokensPerSecond).toLocaleString("en")} tok/s`] : []),
  ].join(" | ");
}

/** Whether a step is worth a line of its own where there is no terminal to overwrite: ten times a stage, its first and its last. */
export function isMilestone(step: number, totalSteps: number): boolean {
  return step === 1 || step === totalSteps || step % Math.max(1, Math.round(totalSteps / 10)) === 0;
}

/** The line as a terminal of this width shows it in the place of the one before. */
export function overwritingLine(line: string, columns: number): string {
  return `\r\x1b[K${line.slice(0, Math.max(1, columns - 1))}`;
}

/** `1h02m`, `3m05s` or `42s`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds}s`;
  const two = (n: number): string => String(n).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`;
}
