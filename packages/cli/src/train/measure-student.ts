import { KdError } from "@kd/contract";
import type { Llava } from "@kd/mllm";
import { createEvaluation, type TeacherRows } from "@kd/stages";
import { note } from "../terminal.ts";
import type { EvaluationSet } from "./evaluation-set.ts";
import type { OpenRun } from "./open-run.ts";

/** A student followed on a run's evaluation set. */
export interface MeasuredStudent {
  /** Numbers for `metrics.jsonl`: `eval/loss`, and where the teacher is there `eval/agreement` and `eval/kl`. */
  readonly measure: () => Promise<Record<string, number>>;
  /** The teacher or its rows; undefined where there is none, or a cache without the rows of these records. */
  readonly taught: Llava | TeacherRows | undefined;
}

/** Asks the teacher about the set, once. */
export async function measureStudent(
  { batches }: EvaluationSet,
  { student, teacher, stages, distils }: OpenRun,
): Promise<MeasuredStudent> {
  const stage = stages.findLast(({ kind }) => distils(kind))?.stage;
  let taught = stage && (teacher?.model ?? teacher?.of(stage));
  const temperature = stage?.temperature ?? 1;
  const measure = await createEvaluation({ batches, teacher: taught, temperature }).catch((error) => {
    if (!KdError.is(error) || error.code !== "KD_DATA" || taught === undefined || taught === teacher?.model)
      throw error;
    note(
      "the teacher's agreement is left out: its rows of the evaluation's records are not in the cache; kd cache adds them",
    );
    taught = undefined;
    return createEvaluation({ batches });
  });
  return {
    taught,
    measure: async () => {
      const measured = Object.entries(await measure(student.model));
      return Object.fromEntries(measured.map(([name, value]) => [`eval/${name}`, value]));
    },
  };
}
