import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { KdError } from "@kd/contract";
import type { RunRecord } from "../report/compare-runs.ts";
import { metricsPath } from "./begin-run.ts";
import { readEvaluation } from "./evaluation-file.ts";
import { readMetrics } from "./metrics-file.ts";
import { configPath, ownConfig } from "./run-folder.ts";

/** A run's folder as plain data, for a report; the run may still be going on. `KD_CONFIG` for a folder that is none. */
export async function readRun(folder: string): Promise<RunRecord> {
  if (!existsSync(configPath(folder)))
    throw new KdError(
      "KD_CONFIG",
      `${folder}: expected a run's folder, got one without config.json; look for it under runs/`,
    );
  const { config, stages, versions, commit } = await ownConfig(folder);
  const command = join(folder, "command.txt");
  const evaluation = await readEvaluation(folder);
  return {
    name: basename(resolve(folder)),
    command: existsSync(command) ? (await readFile(command, "utf8")).trim() : "",
    config,
    versions,
    ...(commit === undefined ? {} : { commit }),
    stages,
    rows: await readMetrics(metricsPath(folder)),
    ...(evaluation === undefined ? {} : { evaluation }),
  };
}
