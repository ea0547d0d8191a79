import { existsSync } from "node:fs";
import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { MetricsRow } from "../metrics-row.ts";
import { syncFolder, writeDurably } from "./files.ts";
import { writing } from "./io-error.ts";

/** All rows of a `metrics.jsonl`; a half line at the end of a killed run is left out. No file, no rows. */
export async function readMetrics(path: string): Promise<MetricsRow[]> {
  if (!existsSync(path)) return [];
  return (await readFile(path, "utf8")).split("\n").flatMap((line) => {
    try {
      const row = JSON.parse(line);
      return typeof row?._step === "number" ? [row as MetricsRow] : [];
    } catch {
      return [];
    }
  });
}

/** A `metrics.jsonl` that rows are appended to. */
export interface MetricsFile {
  /** Rows that were there before. */
  readonly rows: readonly MetricsRow[];
  append(row: MetricsRow): Promise<void>;
  /** Waits until all rows are on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a `metrics.jsonl` and forgets the steps after `lastStep`: a resumed run does them again. */
export async function openMetrics(path: string, lastStep: number): Promise<MetricsFile> {
  return writing(path, async () => {
    const rows = (await readMetrics(path)).filter(({ _step }) => _step <= lastStep);
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
    await writeDurably(`${path}.partial`, new TextEncoder().encode(text)); // else a power cut after the rename could leave neither
    await rename(`${path}.partial`, path);
    await syncFolder(dirname(path));
    const file = await open(path, "a");
    return {
      rows,
      append: (row) => writing(path, async () => void (await file.appendFile(`${JSON.stringify(row)}\n`))),
      sync: () => writing(path, () => file.sync()),
      close: () => file.close(),
    };
  });
}
