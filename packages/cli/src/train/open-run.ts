import { stages } from "@kd/stages";
import { note } from "../terminal.ts";
import type { RunConfig, StageConfig, StageName } from "./config.ts";
import { type EvaluationSet, openEvaluationSet } from "./evaluation-set.ts";
import { createFeatureStore } from "./feature-store.ts";
import { runStageNames } from "./run-stage-names.ts";
import { openStageData, type StageData } from "./stage-data.ts";
import { openStudent, type Student } from "./student.ts";
import { openTeaching, type Teacher } from "./teacher.ts";

/** A stage with its data, under its name in the run: the second of a kind is `sft-2`. */
export interface OpenStage {
  readonly name: string;
  readonly kind: StageName;
  readonly stage: StageConfig;
  readonly data: StageData;
  readonly totalSteps: number;
  readonly seed: number;
}

/** Models and data of a run. */
export interface OpenRun {
  readonly student: Student;
  readonly teacher: Teacher | undefined;
  readonly stages: readonly OpenStage[];
  /** Undefined where none is wanted. */
  readonly evaluation: EvaluationSet | undefined;
  /** Records left out so far, by stage. */
  readonly skipped: ReadonlyMap<string, number>;
  distils(kind: StageName): boolean;
  close(): Promise<void>;
}

const NAMED = 20; // records that were skipped, a stage
const EPOCHS = 1000; // an order depends on seed + epoch

/** Opens the student, every stage's data, then the teacher. */
export async function openRun(config: RunConfig): Promise<OpenRun> {
  const student = await openStudent(config);
  const features = createFeatureStore(student, config.cache);
  const opened: OpenStage[] = [];
  const skipped = new Map<string, number>();
  const distils = (kind: StageName): boolean => stages[kind].distills;
  const names = runStageNames(config.stages);
  for (const [i, kind] of config.stages.entries()) {
    const stage = config[kind] as StageConfig;
    const name = names[i] as string;
    const onSkip = (message: string): void => {
      const count = (skipped.get(name) ?? 0) + 1;
      skipped.set(name, count);
      if (count <= NAMED)
        note(`${name}: skipped ${message}${count === NAMED ? "; the next ones are only counted" : ""}`);
    };
    // Stages start at other epochs of the order: pt, sft, sft sees the second pass in another order than the first.
    const data = await openStageData(stage, { student, features, seed: config.seed + EPOCHS * i, onSkip });
    const totalSteps = stage.max_steps ?? data.stepsOf(stage.epochs);
    opened.push({ name, kind, stage, data, totalSteps, seed: config.seed });
  }
  const evaluation = await openEvaluationSet(config, { student, features });
  const teacher = await openTeaching(config, {
    student,
    stages: opened.filter(({ kind }) => distils(kind)),
  });
  return {
    student,
    teacher,
    stages: opened,
    evaluation,
    skipped,
    distils,
    close: async () => {
      for (const { data } of opened) await data.close();
      features.close();
      teacher?.close();
    },
  };
}
