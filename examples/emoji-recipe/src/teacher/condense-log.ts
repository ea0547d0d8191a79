import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readMetrics } from "@kd/runs/node";

const EVERY = 50;

/** Every fiftieth row of a part's stages and the last, one file to keep beside the weights that they made. */
export async function condenseLog(folder: string, output: string): Promise<void> {
  const rows = await readMetrics(join(folder, "metrics.jsonl"));
  const kept = rows.filter(({ stage, stage_step: step }, i) => step % EVERY === 0 || rows[i + 1]?.stage !== stage);
  await writeFile(output, kept.map((row) => `${JSON.stringify(row)}\n`).join(""));
}
