import { KdError, type TrainingState } from "@kd/contract";
import type { RunEvent } from "./run-options.ts";

/** Where a run is when its stage ends in an error. */
interface Failing {
  /** Steps done, over all stages. */
  readonly done: number;
  /** Of them, those that the last checkpoint knows. */
  readonly saved: number;
  readonly last: string | undefined;
  readonly training: () => Promise<TrainingState>;
  readonly save: (training: () => Promise<TrainingState>) => Promise<RunEvent & { readonly kind: "checkpoint" }>;
}

/**
 * Saves the steps done since the last checkpoint, so that no more is lost than the step that failed. A loss that is not finite ends its step before
 * any weight changes: those weights are good, too, and whoever resumes is at the step to look at.
 *
 * @returns the error to throw, which says what is saved; one that is no KdError has a message of its own and stays as it is
 */
export async function saveBeforeFailing(
  failure: unknown,
  { done, saved, last, training, save }: Failing,
): Promise<{ readonly error: unknown; readonly event?: RunEvent }> {
  if (done === saved) return { error: withPlace(failure, last && `step ${done} is saved in ${last}`) };
  try {
    const event = await save(async () => finite(await training()));
    return { error: withPlace(failure, `step ${done} is saved in ${event.path}`), event };
  } catch (error) {
    return { error: withPlace(failure, `step ${done} could not be saved: ${(error as Error).message}`) };
  }
}

function withPlace(error: unknown, place: string | undefined): unknown {
  if (!KdError.is(error) || place === undefined) return error;
  return new KdError(error.code, `${error.message}; ${place}`, { cause: error });
}

/** Refuses what a resumed run could only diverge with: it would be newer than the good checkpoint before it. */
function finite(training: TrainingState): TrainingState {
  for (const [name, { data }] of training.tensors)
    if (!data.every(Number.isFinite))
      throw new KdError(
        "KD_WEIGHTS",
        `${name}: expected finite numbers, got others; resume from what was saved before`,
      );
  return training;
}
