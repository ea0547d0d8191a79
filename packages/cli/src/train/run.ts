import { rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { TrainingState } from "@kd/contract";
import { isMilestone, progressLine } from "@kd/runs";
import {
  checkRunFolder,
  gitCommit,
  type RunEvent,
  type RunOptions,
  type RunStage,
  runStages,
  writing,
} from "@kd/runs/node";
import {
  type DistillWeights,
  presets,
  restoreWeights,
  resumable,
  stages,
  trainableNames,
  trainStage,
} from "@kd/stages";
import { createRng, describeBackend, rngFromState } from "@kd/tensor-core";
import { Interrupted } from "../interrupt.ts";
import { endProgress, note, progress } from "../terminal.ts";
import { writeReport } from "../write-report.ts";
import { divergenceOf, type RunConfig, type StageConfig } from "./config.ts";
import { type OpenStage, openRun } from "./open-run.ts";
import { saveStudent } from "./save-student.ts";
import type { Student } from "./student.ts";
import type { Teacher } from "./teacher.ts";

/** What a run left. */
export interface RunResult {
  readonly output_dir: string;
  readonly student: string;
  /** `loss` is the last step's; absent for a stage that an earlier run had finished. */
  readonly stages: readonly {
    readonly stage: string;
    readonly records: number;
    readonly steps: number;
    readonly loss?: number;
    /** Records that were left out, each once; absent where there was none. */
    readonly skipped?: number;
  }[];
}

/** How a run is driven. */
export interface TrainRun extends Pick<RunOptions, "start" | "from" | "command" | "signal"> {
  readonly config: RunConfig;
}

/** Trains all stages in order, each going on from the one before, and saves the student. Throws {@link Interrupted} once a Ctrl-C has saved. */
export async function trainRun({ config, ...driven }: TrainRun): Promise<RunResult> {
  const mayChange = ["output_dir", "workers", "save_steps"];
  await checkRunFolder(config.output_dir, { config, mayChange, ...(driven.start && { start: driven.start }) });
  const run = await openRun(config);
  const { student, teacher, stages: opened, skipped } = run;
  for (const { stage } of opened.filter(({ kind }) => run.distils(kind)))
    if (config.cache !== null) for (const notice of (await teacher?.rowsOf(stage))?.notices ?? []) note(notice);
  if (teacher !== undefined && teacher.model === undefined)
    note("the teacher's rows are all in the cache: it is not loaded");
  const losses = new Map<string, number>();
  const running = runStages({
    ...driven,
    folder: config.output_dir,
    config,
    mayChange,
    stages: opened.map((stage, i) =>
      runStage(stage, { student, teacher, config, changed: changedBy(opened.slice(0, i + 1), student) }),
    ),
    handOver: (saved) => restoreWeights(saved, student.model.params),
    checkpointEvery: Math.min(...opened.map(({ stage }) => stage.save_steps)),
    environment: environment(),
    versions: versions(),
    commit: await gitCommit(process.cwd()),
  });
  const folder = join(config.output_dir, "student");
  let began = false;
  try {
    let next = await running.next();
    began = true;
    for (; !next.done; next = await running.next()) {
      show(next.value);
      if (next.value.kind === "step") losses.set(next.value.stage, next.value.report.loss);
    }
    if (!next.value.finished)
      throw new Interrupted(`stopped after step ${next.value.step} and saved; the same command with --resume goes on`);
    await rm(folder, { recursive: true, force: true }); // of a run that was stopped while it wrote
    const what = `${folder} (the training is saved: --resume writes it)`;
    await writing(what, () => saveStudent(folder, student, config));
  } finally {
    endProgress();
    await run.close();
    // A folder that was refused is another run's, its page, too. And a page about a run that went wrong must not hide why.
    if (began) await writeReport([config.output_dir]).catch(() => {});
  }
  return {
    output_dir: config.output_dir,
    student: folder,
    stages: opened.map(({ name, data, totalSteps }) => {
      const [loss, left] = [losses.get(name), skipped.get(name)];
      return {
        stage: name,
        records: data.records,
        steps: totalSteps,
        ...(loss === undefined ? {} : { loss }),
        ...(left === undefined ? {} : { skipped: left }),
      };
    }),
  };
}

/** Every weight that these stages train: a checkpoint holds what the earlier ones left, too. */
const changedBy = (opened: readonly OpenStage[], { model }: Student): string[] => [
  ...new Set(opened.flatMap(({ kind }) => trainableNames(stages[kind], model))),
];

interface RunStageOptions {
  readonly student: Student;
  readonly teacher: Teacher | undefined;
  readonly config: RunConfig;
  /** Names of the weights to save. */
  readonly changed: readonly string[];
}

function runStage({ name, kind, stage, data, totalSteps, seed }: OpenStage, options: RunStageOptions): RunStage {
  const { student, teacher, config, changed } = options;
  let records: () => readonly string[] = () => [];
  const open = (saved?: TrainingState) => {
    const steps = data.steps();
    records = steps.records;
    let rng = createRng(seed).fork(`dropout ${name}`);
    const training = resumable({
      params: student.model.params,
      trainable: trainableNames(stages[kind], student.model),
      weights: changed,
      totalSteps,
      step: () => steps.next(),
      train: (batches, state) =>
        trainStage({
          stage: stages[kind],
          student: student.model,
          ...(teacher === undefined || !stages[kind].distills ? {} : { teacher: teacher.of(stage) }),
          steps: batches,
          state,
          totalSteps,
          weights: weightsOf(stage, config),
          temperature: stage.temperature,
          divergence: divergenceOf(stage),
          gradientCheckpointing: stage.gradient_checkpointing,
          rng,
          learningRate: stage.learning_rate,
          warmupRatio: stage.warmup_ratio,
          weightDecay: stage.weight_decay,
          maxGradNorm: stage.max_grad_norm,
          updateNorm: true,
        }),
      keeps: {
        data: steps.kept,
        rng: { save: () => rng.state(), restore: (words) => (rng = rngFromState(words as number[])) },
      },
      ...(saved === undefined ? {} : { saved }),
    });
    const dispose = (): void => {
      training.dispose();
      steps.close();
    };
    return { ...training, dispose };
  };
  return { name, totalSteps, open, recordsOf: () => records() };
}

const weightsOf = ({ alpha, beta, gamma }: StageConfig, { preset }: RunConfig): DistillWeights => ({
  ...presets[preset],
  alpha,
  beta,
  gamma,
});

/** One line a step on a terminal, rewritten in place; elsewhere plain lines, ten times a stage. On stderr. */
function show(event: RunEvent): void {
  if (event.kind === "notice") note(event.message);
  if (event.kind === "stage" && event.state === "finished-before")
    note(`${event.stage}: finished before, after step ${event.step}`);
  if (event.kind === "stage" && event.state === "resumes") note(`${event.stage}: resuming after step ${event.step}`);
  if (event.kind !== "step") return;
  const { report, totalSteps } = event;
  const line = progressLine(report, event);
  if (process.stderr.isTTY === true) progress(line);
  else if (isMilestone(report.step, totalSteps)) note(line);
  if (report.step === totalSteps) endProgress();
}

/** What last bits depend on. */
function environment(): RunOptions["environment"] {
  const { engine, gemm, threads } = describeBackend();
  const { provider, library = provider, version } = gemm;
  return { engine, products: version === undefined ? library : `${library} ${version}`, threads };
}

function versions(): Record<string, string> {
  const require = createRequire(import.meta.url);
  return { "@kd/cli": require("../../package.json").version };
}
