import type { StepReport } from "@kd/contract";
import { isMilestone, progressLine } from "@kd/runs";

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
export function reportProgress(
  report: StepReport,
  { stage, totalSteps, millisecondsLeft }: { stage: string; totalSteps: number; millisecondsLeft: number },
): void {
  const message: ProgressMessage = {
    name: stage,
    line: progressLine(report, { stage, totalSteps, millisecondsLeft }),
    milestone: isMilestone(report.step, totalSteps),
    last: report.step === totalSteps,
  };
  if (process.send) process.send(message);
  else showProgress([message], message);
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
