import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { readRun } from "@kd/runs/node";
import { renderReport, reportOfRuns } from "@kd/runs/report";

/** Writes the page of runs: into the folder of one alone, else where it is said. Gives back its path. `KD_IO` where it cannot be written. */
export async function writeReport(folders: readonly string[], out?: string): Promise<string> {
  const page = renderReport(reportOfRuns(await Promise.all(folders.map(readRun))));
  const path = out ?? (folders.length === 1 ? join(folders[0] as string, "report.html") : "comparison.html");
  await writeFile(path, page).catch((cause: NodeJS.ErrnoException) => {
    throw new KdError(
      "KD_IO",
      `${path}: expected to write the page there, got ${cause.code}; choose another place with --out`,
      { cause },
    );
  });
  return path;
}
