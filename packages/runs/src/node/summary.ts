import { join } from "node:path";
import { metricsPath } from "./begin-run.ts";
import { readMetrics } from "./metrics-file.ts";
import type { RunResult } from "./run-options.ts";

/** What `summary.json` holds: how the run ended, and each stage's length, CPU time and last numbers. */
export interface RunSummary extends RunResult {
  /** Of the process that finished the run: since it began, and what of that went into checkpoints. */
  readonly seconds: number;
  readonly checkpointSeconds: number;
  readonly stages: readonly {
    readonly stage: string;
    readonly steps: number;
    readonly cpuSeconds: number;
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
    return { stage, steps: own.length, cpuSeconds, last: Object.fromEntries(last) };
  });
  return { ...result, ...times, stages };
}
