import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type MetricsRow, readMetrics } from "../train/metrics-file.ts";

const EVERY = 50;

/** Every fiftieth row and the last of a part's trainings, one file to keep beside the weights that they made. */
export async function condenseLog(folder: string, output: string): Promise<void> {
  const stages = (await readdir(folder, { withFileTypes: true })).filter(
    (entry) => entry.isDirectory() && entry.name !== "checkpoint",
  );
  const rows: MetricsRow[] = [];
  for (const path of [folder, ...stages.map(({ name }) => join(folder, name))]) {
    const all = await readMetrics(join(path, "metrics.jsonl"));
    rows.push(...all.filter(({ _step }, i) => _step % EVERY === 0 || i === all.length - 1));
  }
  await writeFile(output, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}
