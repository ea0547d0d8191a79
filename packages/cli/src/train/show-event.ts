import { isMilestone, progressLine } from "@kd/runs";
import type { RunEvent } from "@kd/runs/node";
import { endProgress, note, progress } from "../terminal.ts";

/** One line a step on a terminal, rewritten in place; elsewhere plain lines, ten times a stage. On stderr. */
export function showEvent(event: RunEvent): void {
  if (event.kind === "notice") note(event.message);
  if (event.kind === "stage" && event.state === "finished-before")
    note(`${event.stage}: finished before, after step ${event.step}`);
  if (event.kind === "stage" && event.state === "resumes") note(`${event.stage}: resuming after step ${event.step}`);
  if (event.kind !== "step") return;
  const { report, totalSteps } = event;
  const line = progressLine(report, event);
  if (process.stderr.isTTY === true) progress(line);
  else if (isMilestone(report.step, totalSteps)) note(line);
  if (report.step === totalSteps) endProgress();
}
