import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { initOptimizerState, type OptimizerState, type TrainReport } from "@kd/stages";
import { loadCheckpoint, saveCheckpoint } from "@kd/stages/node";
import { describeBackend, dispose, type Params } from "@kd/tensor-core";
import { Interrupted, interrupted } from "./interrupt.ts";
import { appendMetrics, truncateMetrics } from "./metrics-file.ts";
import { createProgress } from "./progress.ts";

export interface RunTraining<M> {
  /** What the progress line calls it. */
  readonly name: string;
  /** Checkpoints and `metrics.jsonl` go here. */
  readonly folder: string;
  readonly params: Params;
  readonly trainable: readonly string[];
  readonly totalSteps: number;
  /** Micro-batches of step `index`, which counts from 0: a function of the index alone, so that a resumed run sees the same data. */
  readonly step: (index: number) => readonly M[];
  readonly train: (steps: Iterable<readonly M[]>, state: OptimizerState) => AsyncGenerator<TrainReport>;
  /** What must not change between a run and its resumption. */
  readonly config: unknown;
  /** @defaultValue 200 */
  readonly checkpointEvery?: number;
}

/** Kept in a checkpoint beside weights and moments. */
interface Extra {
  readonly config: string;
  /** Engine, matrix product and threads: others give other last bits. */
  readonly backend: string;
}

/**
 * Trains to the end, from a checkpoint where the folder holds one; a Ctrl-C saves first and throws {@link Interrupted}. The last checkpoint
 * stays: the next time a finished training only puts its weights into `params`, which is how stages hand over.
 */
export async function runTraining<M>(run: RunTraining<M>): Promise<void> {
  const { name, folder, params, totalSteps, checkpointEvery = 200 } = run;
  const checkpoint = join(folder, "checkpoint");
  const metricsFile = join(folder, "metrics.jsonl");
  const extra: Extra = { config: JSON.stringify(run.config), backend: backendName() };
  await mkdir(folder, { recursive: true });
  const state = await openState(run, checkpoint, extra);
  await truncateMetrics(metricsFile, state.step);

  const save = () => saveCheckpoint(checkpoint, { params, state, extra });
  const report = createProgress(name, totalSteps);
  const steps = (function* () {
    for (let index = state.step; index < totalSteps; index++) yield run.step(index);
  })();
  let before = process.cpuUsage();
  try {
    for await (const metrics of run.train(steps, state)) {
      const { user, system } = process.cpuUsage(before);
      before = process.cpuUsage();
      report(metrics);
      await appendMetrics(metricsFile, name, metrics, (user + system) / 1e6);
      const stop = interrupted();
      if (stop || metrics.step % checkpointEvery === 0 || metrics.step === totalSteps) await save();
      if (stop)
        throw new Interrupted(
          `${name}: stopped after step ${metrics.step} and saved; the same command with --resume goes on`,
        );
    }
  } finally {
    dispose([...state.m, ...state.v]);
  }
}

async function openState<M>(run: RunTraining<M>, checkpoint: string, extra: Extra): Promise<OptimizerState> {
  const { name, folder, params, trainable, totalSteps } = run;
  if (!existsSync(join(checkpoint, "checkpoint.safetensors"))) return initOptimizerState(params, trainable);
  const { state, extra: stored } = await loadCheckpoint(checkpoint, params);
  const { config, backend } = stored as Extra;
  if (config !== extra.config)
    throw new KdError("KD_CONFIG", `${checkpoint}: was made by another configuration; remove ${folder} to start again`);
  if (state.step < totalSteps) {
    process.stderr.write(`${name}: resuming after step ${state.step}\n`);
    if (backend !== extra.backend)
      process.stderr.write(`${name}: was trained on ${backend}, goes on on ${extra.backend}: last bits may differ\n`);
  }
  return state;
}

function backendName(): string {
  const { engine, gemm, threads } = describeBackend();
  return `${engine}, ${gemm.library ?? gemm.provider}${gemm.version === undefined ? "" : ` ${gemm.version}`}, ${threads} threads`;
}
