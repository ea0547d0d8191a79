import { join } from "node:path";
import { stepTimes } from "../step-times.ts";
import { metricsPath } from "./begin-run.ts";
import { readMetrics } from "./metrics-file.ts";
import type { RunResult } from "./run-options.ts";

/** What `summary.json` holds: how the run ended, and each stage's length, times and last numbers. */
export interface RunSummary extends RunResult {
  /** Of the process that finished the run: since it began, and what of that went into checkpoints. */
  readonly seconds: number;
  readonly checkpointSeconds: number;
  readonly stages: readonly {
    readonly stage: string;
    readonly steps: number;
    readonly cpuSeconds: number;
    /** Wall time of its steps, and what they waited of that for their data. */
    readonly stepSeconds: number;
    readonly dataSeconds: number;
    /** The last row's numbers. */
    readonly last: Readonly<Record<string, number>>;
  }[];
}

export const summaryPath = (folder: string): string => join(folder, "summary.json");

export async function summaryOf(
  folder: string,
  result: RunResult,
  times: Pick<RunSummary, "seconds" | "checkpointSeconds">,
): Promise<RunSummary> {
  const rows = await readMetrics(metricsPath(folder));
  const names = [...new Set(rows.map(({ stage }) => stage))];
  const stages = names.map((stage) => {
    const own = rows.filter((row) => row.stage === stage);
    const cpuSeconds = own.reduce((sum, row) => sum + Number(row["perf/cpu_seconds"] ?? 0), 0);
    const last = Object.entries(own.at(-1) ?? {}).filter(
      (entry): entry is [string, number] => entry[0].includes("/") && typeof entry[1] === "number",
    );
    const { seconds: stepSeconds, dataSeconds } = stepTimes(own);
    return { stage, steps: own.length, cpuSeconds, stepSeconds, dataSeconds, last: Object.fromEntries(last) };
  });
  return { ...result, ...times, stages };
}
