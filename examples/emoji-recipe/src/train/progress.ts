import type { TrainReport } from "@kd/stages";

/** What a worker process tells its parent while it trains. */
export interface ProgressMessage {
  readonly name: string;
  readonly line: string;
  /** Worth a line of its own where there is no terminal. */
  readonly milestone: boolean;
  readonly last: boolean;
}

/**
 * One line a step on a terminal; elsewhere a plain line ten times a training; from a worker process a message to its parent. Writes to
 * stderr: results go to stdout.
 */
export function createProgress(name: string, totalSteps: number): (report: TrainReport) => void {
  const started = performance.now();
  const every = Math.max(1, Math.round(totalSteps / 10));
  let first: number | undefined;
  return (report) => {
    const { step } = report;
    first ??= step - 1;
    const left = ((performance.now() - started) / (step - first)) * (totalSteps - step);
    const line = progressLine(name, totalSteps, report, left);
    const message = { name, line, milestone: step % every === 0 || step === totalSteps, last: step === totalSteps };
    if (process.send) process.send(message satisfies ProgressMessage);
    else showProgress([message], message);
  };
}

function progressLine(name: string, totalSteps: number, report: TrainReport, left: number): string {
  const { step, loss, parts, lr, tokensPerSecond } = report;
  const terms = Object.entries(parts).map(([term, value]) => `${term} ${value.toFixed(3)}`);
  return [
    `${name} ${String(step).padStart(String(totalSteps).length, "0")}/${totalSteps}`,
    `eta ${duration(left)}`, // early: two lines beside each other are cut at the end
    `loss ${loss.toFixed(4)}`,
    terms.join(" "),
    `lr ${lr.toExponential(1)}`,
    ...(tokensPerSecond > 0 ? [`${Math.round(tokensPerSecond).toLocaleString("en")} tok/s`] : []),
  ].join(" | ");
}

/** Shows the present lines of all trainings on one terminal line, or the new one's milestones as plain lines. */
export function showProgress(all: readonly ProgressMessage[], news: ProgressMessage): void {
  if (process.stderr.isTTY !== true) {
    if (news.milestone) process.stderr.write(`${news.line}\n`);
    return;
  }
  const width = (process.stderr.columns ?? 80) - 1;
  const shown = all.map(({ line }) => line.slice(0, Math.floor((width - 3 * (all.length - 1)) / all.length)));
  process.stderr.write(`\r\x1b[K${shown.join(" ‖ ")}${news.last ? "\n" : ""}`);
}

/** `1h02m`, `3m05s` or `42s`. */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds}s`;
  const two = (n: number): string => String(n).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`;
}
