import type { Llava } from "@kd/mllm";
import { createEvaluation, type TeacherRows } from "@kd/stages";
import type { EvaluationSet } from "./evaluation-set.ts";
import type { OpenRun } from "./open-run.ts";

/** A student followed on a run's evaluation set. */
export interface MeasuredStudent {
  /** Numbers for `metrics.jsonl`: `eval/loss`, and of a run that distils `eval/agreement` and `eval/kl`. */
  readonly measure: () => Promise<Record<string, number>>;
  /** The teacher or its kept rows. */
  readonly taught: Llava | TeacherRows | undefined;
}

/** Asks the teacher about the set, once. Rows that a cache has not are computed: `kd cache` keeps these, too. */
export async function measureStudent(
  { batches }: EvaluationSet,
  { student, teacher, stages, distils }: OpenRun,
): Promise<MeasuredStudent> {
  const stage = stages.findLast(({ kind }) => distils(kind))?.stage;
  const taught = stage && (teacher?.model ?? teacher?.of(stage));
  const measure = await createEvaluation({ batches, teacher: taught, temperature: stage?.temperature ?? 1 });
  return {
    taught,
    measure: async () => {
      const measured = Object.entries(await measure(student.model));
      return Object.fromEntries(measured.map(([name, value]) => [`eval/${name}`, value]));
    },
  };
}
