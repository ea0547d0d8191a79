import { KdError, type TrainingState } from "@kd/contract";
import { type CheckpointPlace, writeCheckpoint } from "./checkpoint.ts";
import { checkpointPath, checkpointSteps, removeCheckpoints } from "./checkpoint-list.ts";

/** Writes a run's checkpoints and removes those that need not stay. */
export interface Checkpointer {
  /** The newest checkpoint's folder. */
  readonly last: string | undefined;
  /** Spent on all of them so far. */
  readonly milliseconds: number;
  /** Gives back the milliseconds that it took. */
  save(place: CheckpointPlace, training: () => Promise<TrainingState>): Promise<number>;
}

/** `keepLast` newest ones stay, the best one, and those after the steps of `keep`. */
export function createCheckpointer(
  folder: string,
  options: { readonly last: string | undefined; readonly keepLast: number; readonly keep: readonly number[] },
): Checkpointer {
  const { keepLast, keep } = options;
  let { last } = options;
  let total = 0;
  return {
    get last() {
      return last;
    },
    get milliseconds() {
      return total;
    },
    save: async (place, training) => {
      const start = performance.now();
      const path = checkpointPath(folder, place.step);
      try {
        await writeCheckpoint(path, { ...place, training: await training() });
      } catch (cause) {
        if (!KdError.is(cause)) throw cause;
        const { code, message } = cause as KdError;
        const way = last === undefined ? "nothing was saved before" : `the run goes on from ${last} when it is resumed`;
        throw new KdError(code, `${message}; ${way}`, { cause });
      }
      last = path;
      const steps = await checkpointSteps(folder);
      const kept = new Set([...keep, place.best?.step, ...steps.slice(-keepLast)]);
      await removeCheckpoints(
        folder,
        steps.filter((step) => !kept.has(step)),
      );
      const milliseconds = performance.now() - start;
      total += milliseconds;
      return milliseconds;
    },
  };
}
