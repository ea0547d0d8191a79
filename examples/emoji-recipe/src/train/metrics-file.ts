import { existsSync } from "node:fs";
import { appendFile, readFile, rename, writeFile } from "node:fs/promises";
import type { TrainReport } from "@kd/stages";

/** One row a step, wandb-style flat keys. */
export interface MetricsRow {
  readonly _step: number;
  readonly [key: string]: number | string;
}

/** Appends a step; `cpuSeconds` is what the process has spent on it. */
export async function appendMetrics(
  path: string,
  stage: string,
  report: TrainReport,
  cpuSeconds: number,
): Promise<void> {
  const { step, loss, parts, lr, gradNorm, tokensPerSecond } = report;
  const row: MetricsRow = {
    stage,
    _step: step,
    _timestamp: Date.now() / 1000,
    "train/loss": loss,
    ...Object.fromEntries(Object.entries(parts).map(([term, value]) => [`train/loss_${term}`, value])),
    "opt/lr": lr,
    "opt/grad_norm": gradNorm,
    "perf/tokens_per_second": tokensPerSecond,
    "perf/cpu_seconds": cpuSeconds,
  };
  await appendFile(path, `${JSON.stringify(row)}\n`);
}

/** All rows; a half line at the end of a killed run is left out. */
export async function readMetrics(path: string): Promise<MetricsRow[]> {
  if (!existsSync(path)) return [];
  return (await readFile(path, "utf8")).split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as MetricsRow];
    } catch {
      return [];
    }
  });
}

/** Forgets the steps after a checkpoint: the resumed run does them again. */
export async function truncateMetrics(path: string, lastStep: number): Promise<void> {
  if (!existsSync(path)) return;
  const kept = (await readMetrics(path)).filter(({ _step }) => _step <= lastStep);
  await writeFile(`${path}.partial`, kept.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await rename(`${path}.partial`, path);
}
