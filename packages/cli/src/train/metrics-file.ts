import { existsSync } from "node:fs";
import { appendFile, readFile, rename, writeFile } from "node:fs/promises";
import type { TrainReport } from "@kd/stages";

/** Appends a step as one flat JSON object with wandb-style keys. */
export async function appendMetrics(path: string, stage: string, report: TrainReport): Promise<void> {
  const { step, loss, parts, lr, gradNorm, tokensPerSecond } = report;
  const row = {
    stage,
    _step: step,
    _timestamp: Date.now() / 1000,
    "train/loss": loss,
    ...Object.fromEntries(Object.entries(parts).map(([term, value]) => [`train/loss_${term}`, value])),
    "opt/lr": lr,
    "opt/grad_norm": gradNorm,
    "perf/tokens_per_second": tokensPerSecond,
  };
  await appendFile(path, `${JSON.stringify(row)}\n`);
}

/** Forgets the steps after a checkpoint, and a half line of a killed run: the resumed run does them again. */
export async function truncateMetrics(path: string, lastStep: number): Promise<void> {
  if (!existsSync(path)) return;
  const kept = (await readFile(path, "utf8")).split("\n").filter((line) => {
    try {
      return JSON.parse(line)._step <= lastStep;
    } catch {
      return false;
    }
  });
  await writeFile(`${path}.partial`, kept.map((line) => `${line}\n`).join(""));
  await rename(`${path}.partial`, path);
}
