import { existsSync } from "node:fs";
import { cp, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { KdError } from "@kd/contract";
import type { Checkpoint, Environment } from "./checkpoint.ts";
import { readCheckpoint, readCheckpointPlace } from "./checkpoint.ts";
import {
  checkpointPath,
  checkpointSteps,
  latestCheckpoint,
  removeCheckpoints,
  sweepCheckpoints,
} from "./checkpoint-list.ts";
import { writing } from "./io-error.ts";
import { readMetrics } from "./metrics-file.ts";
import { checkpointsPath, openRunFolder, readRunConfig } from "./run-folder.ts";
import type { RunOptions } from "./run-options.ts";

/** Steps before each stage, and of all. */
export function offsetsOf(stages: RunOptions["stages"]): number[] {
  let sum = 0;
  return [0, ...stages.map(({ totalSteps }) => (sum += totalSteps))];
}

export const metricsPath = (folder: string): string => join(folder, "metrics.jsonl");

const versionsOf = ({ versions }: RunOptions): Record<string, string> => ({ node: process.versions.node, ...versions });
/** All that a checkpoint's last bits may depend on. */
export const madeBy = (options: RunOptions): Environment => ({ ...options.environment, ...versionsOf(options) });

/** Opens the run's folder and finds where to go on: the newest whole checkpoint, if there is one. Adds to `notices` what the user should read. */
export async function beginRun(options: RunOptions, notices: string[]): Promise<Checkpoint | undefined> {
  const { folder, stages, start = "new", from, fork } = options;
  const names = stages.map(({ name }) => name);
  if (names.length === 0 || new Set(names).size < names.length)
    throw new KdError("KD_CONFIG", `runStages: expected stages of different names, got ${names.join(", ") || "none"}`);
  if (from !== undefined && (start !== "resume" || !names.includes(from)))
    throw new KdError(
      "KD_CONFIG",
      `runStages: from "${from}" needs start "resume" and one of the stages ${names.join(", ")}`,
    );
  notices.push(...(await openRunFolder(folder, { ...options, versions: versionsOf(options), start })));
  const checkpoints = checkpointsPath(folder);
  return writing(folder, async () => {
    await sweepCheckpoints(checkpoints);
    if (from !== undefined) await goBack(options, from);
    if (fork !== undefined && (await checkpointSteps(checkpoints)).length === 0) await takeFrom(options, fork);
    const { checkpoint, damaged } = await latestCheckpoint(checkpoints);
    for (const { path, reason } of damaged) {
      await rm(`${path}.damaged`, { recursive: true, force: true });
      await rename(path, `${path}.damaged`); // kept for whoever wants to know, out of the way of the one that replaces it
      notices.push(`${basename(path)} is damaged and was moved aside: ${reason}`);
    }
    if (damaged.length > 0)
      notices.push(
        checkpoint === undefined
          ? "no whole checkpoint is left: the run begins again"
          : `falling back to ${basename(checkpoint.path)}`,
      );
    if (checkpoint !== undefined) notices.push(...otherEnvironment(checkpoint.environment, madeBy(options)));
    return checkpoint;
  });
}

/** Engine and so on of a run's newest checkpoint, to be asked for again before it is resumed; undefined where there is none. */
export async function savedEnvironment(folder: string): Promise<Environment | undefined> {
  for (const step of (await checkpointSteps(checkpointsPath(folder))).reverse())
    try {
      return (await readCheckpointPlace(checkpointPath(checkpointsPath(folder), step))).environment;
    } catch (error) {
      if (!KdError.is(error)) throw error; // damaged: resuming will say so
    }
  return undefined;
}

function otherEnvironment(before: Environment, now: Environment): string[] {
  const different = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter(
    (key) => before[key] !== now[key],
  );
  if (different.length === 0) return [];
  const list = different.map((key) => `${key} ${before[key] ?? "unknown"}, now ${now[key] ?? "unknown"}`);
  return [`the checkpoint was made with ${list.join("; ")}: losses may differ in their last bits`];
}

/** Removes what a run did from the beginning of a stage on. */
async function goBack({ folder, stages }: RunOptions, from: string): Promise<void> {
  const index = stages.findIndex(({ name }) => name === from);
  const start = offsetsOf(stages)[index] as number;
  const checkpoints = checkpointsPath(folder);
  const steps = await checkpointSteps(checkpoints);
  if (start > 0) {
    if (!steps.includes(start))
      throw new KdError(
        "KD_CONFIG",
        `${folder}: stage "${from}" begins with the weights of ${stages[index - 1]?.name}, which has not ended; leave \`from\` out`,
      );
    await readCheckpoint(checkpointPath(checkpoints, start)); // before anything is removed
  }
  await removeCheckpoints(
    checkpoints,
    steps.filter((step) => step > start),
  );
}

/** Copies the end of a stage from another run that began the same way. */
async function takeFrom({ folder, stages }: RunOptions, fork: NonNullable<RunOptions["fork"]>): Promise<void> {
  const index = stages.findIndex(({ name }) => name === fork.stage);
  const other = await readRunConfig(fork.folder);
  const same = stages
    .slice(0, index + 1)
    .every(({ name, totalSteps }, i) => other.stages[i]?.name === name && other.stages[i]?.totalSteps === totalSteps);
  const step = offsetsOf(stages)[index + 1] as number;
  const source = checkpointPath(checkpointsPath(fork.folder), step);
  if (index < 0 || !same || !existsSync(source))
    throw new KdError(
      "KD_CONFIG",
      `${fork.folder}: expected a run whose stages up to "${fork.stage}" are the same and ended, got another; leave \`fork\` out`,
    );
  await readCheckpoint(source);
  const rows = (await readMetrics(metricsPath(fork.folder))).filter(({ _step }) => _step <= step);
  await writeFile(metricsPath(folder), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const target = checkpointPath(checkpointsPath(folder), step);
  await cp(source, `${target}.partial`, { recursive: true });
  await rename(`${target}.partial`, target);
}
