import { rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { TrainingState } from "@kd/contract";
import type { Llava } from "@kd/mllm";
import { isMilestone, overwritingLine, progressLine } from "@kd/runs";
import { gitCommit, type RunEvent, type RunOptions, type RunStage, runStages } from "@kd/runs/node";
import {
  type DistillWeights,
  presets,
  restoreWeights,
  resumable,
  stages,
  trainableNames,
  trainStage,
} from "@kd/stages";
import { describeBackend } from "@kd/tensor-core";
import { Interrupted } from "../interrupt.ts";
import { note } from "../terminal.ts";
import type { RunConfig, StageConfig, StageName } from "./config.ts";
import { createFeatureStore } from "./feature-store.ts";
import { openRecords, type StageData } from "./records.ts";
import { saveStudent } from "./save-student.ts";
import { openStudent, openTeacher, type Student } from "./student.ts";

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
  }[];
}

/** How a run is driven. */
export interface TrainRun extends Pick<RunOptions, "start" | "from" | "command" | "signal"> {
  readonly config: RunConfig;
}

/** A stage with its data, under its name in the run: the second of a kind is `sft-2`. */
interface OpenStage {
  readonly name: string;
  readonly kind: StageName;
  readonly stage: StageConfig;
  readonly data: StageData;
  readonly totalSteps: number;
}

/** Trains all stages in order, each going on from the one before, and saves the student. Throws {@link Interrupted} once a Ctrl-C has saved. */
export async function trainRun({ config, ...driven }: TrainRun): Promise<RunResult> {
  const student = await openStudent(config);
  const features = createFeatureStore(student);
  const opened: OpenStage[] = [];
  for (const [i, kind] of config.stages.entries()) {
    const stage = config[kind] as StageConfig;
    const data = await openRecords(stage, { student, features, seed: config.seed + i });
    const before = config.stages.slice(0, i).filter((name) => name === kind).length;
    const totalSteps = stage.max_steps ?? stage.epochs * Math.ceil(data.records / stage.batch_size);
    opened.push({ name: before === 0 ? kind : `${kind}-${before + 1}`, kind, stage, data, totalSteps });
  }
  const distils = config.teacher !== null && config.stages.some((name) => stages[name].distills);
  const teacher = distils
    ? await openTeacher(config.teacher as string, { keep: config.teacher_dtype, student })
    : undefined;
  const losses = new Map<string, number>();
  const running = runStages({
    ...driven,
    folder: config.output_dir,
    config,
    stages: opened.map((stage, i) =>
      runStage(stage, { student, teacher, config, changed: changedBy(opened.slice(0, i + 1), student) }),
    ),
    handOver: (saved) => restoreWeights(saved, student.model.params),
    checkpointEvery: Math.min(...opened.map(({ stage }) => stage.save_steps)),
    environment: environment(),
    versions: versions(),
    commit: await gitCommit(process.cwd()),
  });
  let next = await running.next();
  for (; !next.done; next = await running.next()) {
    show(next.value);
    if (next.value.kind === "step") losses.set(next.value.stage, next.value.report.loss);
  }
  if (!next.value.finished)
    throw new Interrupted(`stopped after step ${next.value.step} and saved; the same command with --resume goes on`);
  const folder = join(config.output_dir, "student");
  await rm(folder, { recursive: true, force: true }); // of a run that was stopped while it wrote
  await saveStudent(folder, student, config);
  return {
    output_dir: config.output_dir,
    student: folder,
    stages: opened.map(({ name, data, totalSteps }) => {
      const loss = losses.get(name);
      return { stage: name, records: data.records, steps: totalSteps, ...(loss === undefined ? {} : { loss }) };
    }),
  };
}

/** Every weight that these stages train: a checkpoint holds what the earlier ones left, too. */
const changedBy = (opened: readonly OpenStage[], { model }: Student): string[] => [
  ...new Set(opened.flatMap(({ kind }) => trainableNames(stages[kind], model))),
];

interface RunStageOptions {
  readonly student: Student;
  readonly teacher: Llava | undefined;
  readonly config: RunConfig;
  /** Names of the weights to save. */
  readonly changed: readonly string[];
}

function runStage({ name, kind, stage, data, totalSteps }: OpenStage, options: RunStageOptions): RunStage {
  const { student, teacher, config, changed } = options;
  const open = (saved?: TrainingState) =>
    resumable({
      params: student.model.params,
      trainable: trainableNames(stages[kind], student.model),
      weights: changed,
      totalSteps,
      step: data.step,
      train: (steps, state) =>
        trainStage({
          stage: stages[kind],
          student: student.model,
          ...(teacher === undefined ? {} : { teacher }),
          steps,
          state,
          totalSteps,
          weights: weightsOf(stage, config),
          temperature: stage.temperature,
          gradientCheckpointing: stage.gradient_checkpointing,
          learningRate: stage.learning_rate,
          warmupRatio: stage.warmup_ratio,
          weightDecay: stage.weight_decay,
          maxGradNorm: stage.max_grad_norm,
        }),
      ...(saved === undefined ? {} : { saved }),
    });
  return { name, totalSteps, open, recordsOf: (step) => data.recordsOf(step - 1) };
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
  if (process.stderr.isTTY === true)
    process.stderr.write(
      `${overwritingLine(line, process.stderr.columns ?? 80)}${report.step === totalSteps ? "\n" : ""}`,
    );
  else if (isMilestone(report.step, totalSteps)) note(line);
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
