import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KdError, type TokenBatch } from "@kd/contract";
import type { Llava } from "@kd/mllm";
import {
  type DistillWeights,
  initOptimizerState,
  type OptimizerState,
  presets,
  stages,
  trainableNames,
  trainStage,
} from "@kd/stages";
import { loadCheckpoint, saveCheckpoint } from "@kd/stages/node";
import { describeBackend, dispose } from "@kd/tensor-core";
import { engineName } from "../engine.ts";
import { Interrupted, interrupted } from "../interrupt.ts";
import { jsonText, readJsonIfThere } from "../json-file.ts";
import { note } from "../terminal.ts";
import type { RunConfig, StageConfig, StageName } from "./config.ts";
import { createFeatureStore } from "./feature-store.ts";
import { appendMetrics, truncateMetrics } from "./metrics-file.ts";
import { createProgress } from "./progress.ts";
import { openRecords, type StageData } from "./records.ts";
import { saveStudent } from "./save-student.ts";
import { openStudent, openTeacher, type Student } from "./student.ts";

/** What a run left. */
export interface RunResult {
  readonly output_dir: string;
  readonly student: string;
  /** `loss` is the last step's; absent for a stage that an earlier run had finished. */
  readonly stages: readonly {
    readonly stage: StageName;
    readonly records: number;
    readonly steps: number;
    readonly loss?: number;
  }[];
}

/** What must be said again on resuming: everything but how often to save. */
const sameRun = (a: unknown, b: unknown): boolean => {
  const text = (value: unknown) => JSON.stringify(value, (key, inner) => (key === "save_steps" ? undefined : inner));
  return text(a) === text(b);
};

/** Refuses a folder that holds another run; an existing one needs `resume` or `overwrite`. */
export async function openRunFolder(
  config: RunConfig,
  { resume, overwrite, command }: { readonly resume: boolean; readonly overwrite: boolean; readonly command: string },
): Promise<void> {
  const folder = config.output_dir;
  const file = join(folder, "config.json");
  if (overwrite) await rm(folder, { recursive: true, force: true });
  const before = await readJsonIfThere(file);
  if (before === undefined && existsSync(folder))
    throw new KdError("KD_CONFIG", `${folder}: exists and holds no run; choose another --output-dir`);
  if (before !== undefined && !resume)
    throw new KdError(
      "KD_CONFIG",
      `${folder}: holds a run; --resume goes on with it, --overwrite starts again, --output-dir chooses another`,
    );
  if (before !== undefined && !sameRun(before, config))
    throw new KdError(
      "KD_CONFIG",
      `${file}: the run was started with another configuration; repeat that one, or choose another --output-dir`,
    );
  if (before === undefined && resume) note(`${folder}: nothing to resume, starting`);
  await mkdir(folder, { recursive: true });
  await writeFile(`${file}.partial`, jsonText(config));
  await rename(`${file}.partial`, file); // a half file would hold the folder for no run
  if (before === undefined) await writeFile(join(folder, "command.txt"), `${command}\n`);
}

/** Trains all stages in order, each going on from the one before, and saves the student; finished stages only hand over their weights. */
export async function trainRun(config: RunConfig): Promise<RunResult> {
  const student = await openStudent(config);
  const features = createFeatureStore(student);
  let teacher: Llava | undefined;
  const done: RunResult["stages"][number][] = [];
  for (const [i, name] of config.stages.entries()) {
    const stage = config[name] as StageConfig;
    const data = await openRecords(stage, { student, features, seed: config.seed + i });
    if (stages[name].distills && config.teacher !== null)
      teacher ??= await openTeacher(config.teacher, { keep: config.teacher_dtype, student });
    const folder = join(config.output_dir, `${i + 1}-${name}`);
    const steps = stage.max_steps ?? stage.epochs * Math.ceil(data.records / stage.batch_size);
    const loss = await runStage({ name, stage, folder, steps, data, student, teacher, config });
    done.push({ stage: name, records: data.records, steps, ...(loss === undefined ? {} : { loss }) });
  }
  const folder = join(config.output_dir, "student");
  await saveStudent(folder, student, config);
  return { output_dir: config.output_dir, student: folder, stages: done };
}

interface RunStage {
  readonly name: StageName;
  readonly stage: StageConfig;
  readonly folder: string;
  readonly steps: number;
  readonly data: StageData;
  readonly student: Student;
  readonly teacher: Llava | undefined;
  readonly config: RunConfig;
}

/** One stage, from its checkpoint where there is one. Saves every `save_steps`, at the end, on Ctrl-C and before it fails. Gives the last loss. */
async function runStage(run: RunStage): Promise<number | undefined> {
  const { name, stage, folder, steps: totalSteps, data, student, teacher, config } = run;
  const { params } = student.model;
  const checkpoint = join(folder, "checkpoint");
  const metrics = join(folder, "metrics.jsonl");
  await mkdir(folder, { recursive: true });
  const backend = engineName(describeBackend());
  const state = await openState(run, checkpoint, backend);
  await truncateMetrics(metrics, state.step);
  let saved = state.step;
  const save = async () => {
    await saveCheckpoint(checkpoint, { params, state, extra: { backend } });
    saved = state.step;
  };
  const steps = (async function* (): AsyncGenerator<readonly TokenBatch[]> {
    for (let index = state.step; index < totalSteps; index++) yield await data.step(index);
  })();
  const report = createProgress(name, totalSteps);
  const { gradient_checkpointing, learning_rate, warmup_ratio, weight_decay, max_grad_norm, temperature } = stage;
  let loss: number | undefined;
  let before = performance.now();
  try {
    const training = trainStage({
      stage: stages[name],
      student: student.model,
      ...(teacher === undefined ? {} : { teacher }),
      steps,
      state,
      totalSteps,
      weights: weightsOf(stage, config),
      temperature,
      gradientCheckpointing: gradient_checkpointing,
      learningRate: learning_rate,
      warmupRatio: warmup_ratio,
      weightDecay: weight_decay,
      maxGradNorm: max_grad_norm,
    });
    for await (const step of training) {
      loss = step.loss;
      report(step, performance.now() - before);
      before = performance.now();
      await appendMetrics(metrics, name, step);
      const stop = interrupted();
      if (stop || step.step % stage.save_steps === 0 || step.step === totalSteps) await save();
      if (stop)
        throw new Interrupted(
          `${name}: stopped after step ${step.step} and saved; the same command with --resume goes on`,
        );
    }
  } catch (error) {
    // The weights are those of the last whole step, which a broken record or a full memory need not cost.
    if (!(error instanceof Interrupted) && state.step > saved) await save().catch(() => {});
    throw error;
  } finally {
    dispose([...state.m, ...state.v]);
  }
  return loss;
}

async function openState(
  { name, steps, student }: RunStage,
  checkpoint: string,
  backend: string,
): Promise<OptimizerState> {
  const { model } = student;
  if (!existsSync(join(checkpoint, "checkpoint.safetensors")))
    return initOptimizerState(model.params, trainableNames(stages[name], model));
  const { state, extra } = await loadCheckpoint(checkpoint, model.params);
  const stored = (extra as { readonly backend?: string } | null)?.backend;
  if (state.step >= steps) note(`${name}: finished before, after step ${state.step}`);
  else {
    note(`${name}: resuming after step ${state.step}`);
    if (stored !== backend) note(`${name}: was trained on ${stored}, goes on on ${backend}: last bits may differ`);
  }
  return state;
}

const weightsOf = ({ alpha, beta, gamma }: StageConfig, { preset }: RunConfig): DistillWeights => ({
  ...presets[preset],
  alpha,
  beta,
  gamma,
});
