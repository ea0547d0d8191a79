import { rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import {
  checkRunFolder,
  gitCommit,
  type RunEvent,
  type RunOptions,
  runStages,
  writeEvaluation,
  writing,
} from "@kd/runs/node";
import { restoreWeights } from "@kd/stages";
import { describeBackend } from "@kd/tensor-core";
import { Interrupted } from "../interrupt.ts";
import { endProgress, note } from "../terminal.ts";
import { writeReport } from "../write-report.ts";
import type { RunConfig } from "./config.ts";
import { evaluateStudent } from "./evaluate-student.ts";
import { measureStudent } from "./measure-student.ts";
import { openRun } from "./open-run.ts";
import { changedBy, runStage } from "./run-stage.ts";
import { saveStudent } from "./save-student.ts";
import { showEvent } from "./show-event.ts";

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
  const mayChange = [
    "output_dir",
    "workers",
    "save_steps",
    "on_bad_record",
    "eval_data_path",
    "eval_image_folder",
    "eval_samples",
  ];
  await checkRunFolder(config.output_dir, { config, mayChange, ...(driven.start && { start: driven.start }) });
  const run = await openRun(config);
  const { student, teacher, stages: opened, skipped } = run;
  for (const { stage } of opened.filter(({ kind }) => run.distils(kind)))
    if (config.cache !== null) for (const notice of (await teacher?.rowsOf(stage))?.notices ?? []) note(notice);
  if (teacher !== undefined && teacher.model === undefined)
    note("the teacher's rows are all in the cache: it is not loaded");
  const followed = run.evaluation && (await measureStudent(run.evaluation, run));
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
    ...(followed && { evaluate: followed.measure }),
    environment: environment(),
    versions: versions(),
    commit: await gitCommit(process.cwd()),
  });
  const folder = join(config.output_dir, "student");
  let began = false;
  let saved = false;
  try {
    let next = await running.next();
    began = true;
    for (; !next.done; next = await running.next()) {
      showEvent(next.value);
      if (next.value.kind === "checkpoint" || isBehind(next.value)) saved = true;
      if (next.value.kind === "step") losses.set(next.value.stage, next.value.report.loss);
    }
    if (!next.value.finished)
      throw new Interrupted(`stopped after step ${next.value.step} and saved; the same command with --resume goes on`);
    await rm(folder, { recursive: true, force: true }); // of a run that was stopped while it wrote
    const what = `${folder} (the training is saved: --resume writes it)`;
    await writing(what, () => saveStudent(folder, student, config));
    if (run.evaluation !== undefined) {
      note(
        `asking ${teacher?.model === undefined ? "the student" : "student and teacher"} about ${run.evaluation.note}`,
      );
      const evaluation = await evaluateStudent(run.evaluation, { config, student, teacher, taught: followed?.taught });
      await writeEvaluation(config.output_dir, evaluation);
    }
  } catch (error) {
    if (saved && !(error instanceof Interrupted)) note("what is saved can go on: the same command with --resume");
    throw error;
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

const isBehind = (event: RunEvent): boolean => event.kind === "stage" && event.state !== "begins";

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
