import { existsSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { type Checkpoint, readCheckpoint } from "./checkpoint.ts";

const NAME = /^step-(\d+)$/;

/** The folder of the checkpoint after so many steps. */
export const checkpointPath = (folder: string, step: number): string =>
  join(folder, `step-${String(step).padStart(8, "0")}`);

/** Steps of all checkpoints under their final names, in order. */
export async function checkpointSteps(folder: string): Promise<number[]> {
  if (!existsSync(folder)) return [];
  const steps = (await readdir(folder)).flatMap((name) => {
    const match = NAME.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  return steps.sort((a, b) => a - b);
}

/** A checkpoint that could not be used, and why. */
export interface Damaged {
  readonly path: string;
  readonly reason: string;
}

/** The newest checkpoint that is whole, and the newer ones that are not. */
export async function latestCheckpoint(
  folder: string,
): Promise<{ readonly checkpoint?: Checkpoint; readonly damaged: readonly Damaged[] }> {
  const damaged: Damaged[] = [];
  for (const step of (await checkpointSteps(folder)).reverse()) {
    const path = checkpointPath(folder, step);
    try {
      return { checkpoint: await readCheckpoint(path), damaged };
    } catch (error) {
      if (!KdError.is(error)) throw error;
      damaged.push({ path, reason: (error as KdError).message });
    }
  }
  return { damaged };
}

/** Removes checkpoints, the newest first; one that is half removed has no checkpoint's name any more. */
export async function removeCheckpoints(folder: string, steps: readonly number[]): Promise<void> {
  for (const step of [...steps].sort((a, b) => b - a)) {
    const path = checkpointPath(folder, step);
    await rm(`${path}.removed`, { recursive: true, force: true });
    await rename(path, `${path}.removed`);
    await rm(`${path}.removed`, { recursive: true, force: true });
  }
}

/** Removes what a kill left behind: half-written and half-removed folders. */
export async function sweepCheckpoints(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const name of await readdir(folder))
    if (/^step-\d+\.(partial|removed)$/.test(name)) await rm(join(folder, name), { recursive: true, force: true });
}
