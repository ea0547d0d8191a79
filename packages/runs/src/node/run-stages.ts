import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { KdError, type TrainingState } from "@kd/contract";
import { metricsRow } from "../metrics-row.ts";
import { beginRun, madeBy, metricsPath, offsetsOf } from "./begin-run.ts";
import { createCheckpointer } from "./checkpointer.ts";
import { openEventFile } from "./event-file.ts";
import { writeJson } from "./files.ts";
import { writing } from "./io-error.ts";
import { lockRun } from "./lock-run.ts";
import { openMetrics } from "./metrics-file.ts";
import { checkpointsPath } from "./run-folder.ts";
import type { RunEvent, RunOptions, RunResult } from "./run-options.ts";
import { saveBeforeFailing } from "./save-before-failing.ts";
import { divergedPath, stageReports } from "./stage-reports.ts";
import { summaryOf, summaryPath } from "./summary.ts";

/**
 * Runs stages one after another in a folder, and says what happens. Stopped in any way, by a kill too, the same call with `start: "resume"` goes
 * on from the newest whole checkpoint with the same numbers. Where a stage's reports end in an error, the steps before it are saved first. Leave the loop
 * by aborting `signal`: `break` does not save.
 *
 * @throws KdError `KD_CONFIG` for a folder of another run, or that another process trains in; `KD_IO` for a disk that is full or cannot be written: what was saved before stays;
 * `KD_DIVERGED` with the records of the step, also in `diverged.json`; `KD_DATA` for a stage that ends early.
 */
export async function* runStages(options: RunOptions): AsyncGenerator<RunEvent, RunResult, undefined> {
  const { folder } = options;
  await writing(folder, () => mkdir(folder, { recursive: true }));
  const release = await lockRun(folder);
  try {
    return yield* runLocked(options);
  } finally {
    await release();
  }
}

async function* runLocked(options: RunOptions): AsyncGenerator<RunEvent, RunResult, undefined> {
  const { folder, stages, handOver, checkpointEvery = 200, keepLast = 2, evaluate, best: aim, signal } = options;
  const notices: string[] = [];
  let restored = await beginRun(options, notices);
  for (const message of notices) yield { kind: "notice", message };
  const offsets = offsetsOf(stages);
  const first = restored?.step ?? 0;
  let done = first;
  let saved = first;
  let best = restored?.best;
  const began = performance.now();
  const saver = createCheckpointer(checkpointsPath(folder), { last: restored?.path, keepLast, keep: offsets });
  const metrics = await openMetrics(metricsPath(folder), done);
  const events = await openEventFile(folder, metrics.rows).catch(async (error) => {
    await metrics.close();
    throw error;
  });
  if (done < (offsets.at(-1) as number))
    // what they say is of the time before
    await writing(folder, async () => {
      for (const path of [summaryPath(folder), divergedPath(folder)]) await rm(path, { force: true });
    });
  const result = (finished: boolean): RunResult => ({ finished, step: done, checkpoint: saver.last, best });
  const save = async (stage: string, stageStep: number, training: () => Promise<TrainingState>) => {
    await metrics.sync(); // a checkpoint never knows of steps that metrics.jsonl does not
    const where = { step: done, stage, stageStep, best, environment: madeBy(options) };
    const milliseconds = await saver.save(where, training);
    saved = done;
    return { kind: "checkpoint", path: saver.last as string, milliseconds } as const;
  };
  try {
    if (metrics.rows.length < done)
      yield {
        kind: "notice",
        message: `metrics.jsonl has ${metrics.rows.length} of the ${done} steps done: curves will have a gap`,
      };
    for (const [index, stage] of stages.entries()) {
      const { name, totalSteps } = stage;
      const [before, end] = [offsets[index] as number, offsets[index + 1] as number];
      if (done >= end) {
        yield { kind: "stage", stage: name, state: "finished-before", step: totalSteps };
        continue;
      }
      const inside = done > before;
      if (restored !== undefined && !inside) await handOver(restored.training);
      yield { kind: "stage", stage: name, state: inside ? "resumes" : "begins", step: done - before };
      const training = await stage.open(inside ? restored?.training : undefined);
      restored = undefined; // as large as the model and its moments
      const [started, from] = [performance.now(), done];
      let cpu = process.cpuUsage();
      async function* failed(failure: unknown): AsyncGenerator<RunEvent, unknown, undefined> {
        const { error, event } = await saveBeforeFailing(failure, {
          done,
          saved,
          last: saver.last,
          training: training.save,
          save: (state) => save(name, done - before, state),
        });
        if (event !== undefined) yield event;
        return error;
      }
      try {
        for await (const item of stageReports(stage, training.reports, { folder, after: done - before })) {
          if ("failure" in item) throw yield* failed(item.failure);
          const { report } = item;
          const { user, system } = process.cpuUsage(cpu);
          const atEnd = report.step === totalSteps;
          const due = atEnd || report.step % (options.evaluateEvery ?? Math.max(1, Math.round(totalSteps / 10))) === 0;
          const { values: evaluation = {}, ...failing } = due ? await evaluated(evaluate?.(name, report.step)) : {};
          const place = {
            stage: name,
            before,
            timestamp: Date.now() / 1000,
            cpuSeconds: (user + system) / 1e6,
            evaluation,
          };
          const row = metricsRow(report, place);
          await metrics.append(row);
          await events.append(row);
          done = before + report.step;
          const score = aim === undefined ? undefined : evaluation[aim.key];
          const better = score !== undefined && isBetter(score, best?.score, aim?.lowest === true);
          if (better) best = { score, step: done };
          const millisecondsLeft = ((performance.now() - started) / (done - from)) * (totalSteps - report.step);
          yield { kind: "step", stage: name, totalSteps, report, row, millisecondsLeft };
          if ("failure" in failing) throw yield* failed(failing.failure); // this step is done
          const stop = signal?.aborted === true;
          if (stop || atEnd || better || report.step % (stage.checkpointEvery ?? checkpointEvery) === 0)
            yield await save(name, report.step, training.save);
          if (stop && done < (offsets.at(-1) as number)) return result(false);
          cpu = process.cpuUsage();
        }
        if (done < end)
          throw yield* failed(
            new KdError(
              "KD_DATA",
              `${name}: expected ${totalSteps} steps, got ${done - before}; give it more data or fewer steps`,
            ),
          );
      } finally {
        training.dispose();
      }
    }
    if (restored !== undefined) await handOver(restored.training); // nothing was left to train
    const seconds = { seconds: (performance.now() - began) / 1000, checkpointSeconds: saver.milliseconds / 1000 };
    if (first < done || !existsSync(summaryPath(folder)))
      await writing(folder, async () => writeJson(summaryPath(folder), await summaryOf(folder, result(true), seconds)));
    return result(true);
  } finally {
    await metrics.close();
    await events.close();
  }
}

function isBetter(score: number, before: number | undefined, lowest: boolean): boolean {
  if (!Number.isFinite(score)) return false;
  return before === undefined || (lowest ? score < before : score > before);
}

/** An evaluation's numbers, or why there are none. */
async function evaluated(
  numbers: Promise<Readonly<Record<string, number>>> | undefined,
): Promise<{ readonly values?: Readonly<Record<string, number>> | undefined; readonly failure?: unknown }> {
  try {
    return { values: await numbers };
  } catch (failure) {
    return { failure };
  }
}
