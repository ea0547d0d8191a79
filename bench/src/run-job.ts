import { basename } from "node:path";
import { createInterface } from "node:readline/promises";
import { type BackendOptions, useBackend } from "@kd/tensor-core";
import { type Job, quantile, sample } from "./job.ts";
import { residentMib } from "./memory.ts";
import { wholeNumber } from "./usage-error.ts";

/** Options of every command that times one job. */
export const jobOptions = {
  engine: { type: "string", default: "auto" },
  blas: { type: "string" },
  threads: { type: "string" },
  steps: { type: "string", default: "10" },
  json: { type: "boolean", default: false },
  serve: { type: "boolean", default: false },
} as const;

interface JobValues {
  readonly engine: string;
  readonly blas?: string | undefined;
  readonly threads?: string | undefined;
  readonly steps: string;
  readonly json: boolean;
  readonly serve: boolean;
}

/** Starts the engine, makes the job, warms it up with two runs, then measures once (one JSON object) or serves a `compare`. */
export async function runJob(values: JobValues, make: () => Job | Promise<Job>): Promise<void> {
  const steps = wholeNumber("steps", values.steps);
  const { engine, gemm, threads } = await useBackend({
    engine: values.engine as NonNullable<BackendOptions["engine"]>,
    ...(values.blas === undefined ? {} : { blas: values.blas === "off" ? false : values.blas }),
    ...(values.threads === undefined ? {} : { threads: wholeNumber("threads", values.threads) }),
  });
  const product = basename(gemm.library ?? gemm.provider);
  const idle = residentMib();
  const job = await make();
  const started = performance.now();
  const firstLoss = await job.run();
  const description = {
    what: job.what,
    ...job.facts,
    contender: product === "engine" ? `kd ${engine}` : `kd ${engine} + ${product}`,
    engine,
    gemm: product,
    threads,
    versions: [`node ${process.versions.node}`, gemm.version].filter((v) => v !== undefined).join("; "),
    idle_mib: idle,
    first_ms: Math.round(performance.now() - started),
    first_loss: firstLoss,
  };
  await job.run();
  if (values.serve) return serve(job, description);
  const { ms, ...rest } = await sample(job, steps);
  const result = { ...description, steps, ...statistics(ms), ...rest };
  const line = Object.entries(result).map(([key, value]) => `${key} ${value}`);
  process.stdout.write(`${values.json ? JSON.stringify(result) : line.join(" | ")}\n`);
}

/** A line with a description; then for each line N read, N runs and a line of samples. */
async function serve(job: Job, description: object): Promise<void> {
  process.stdout.write(`${JSON.stringify(description)}\n`);
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${JSON.stringify(await sample(job, Number(line)))}\n`);
}

function statistics(ms: readonly number[]) {
  const at = (p: number) => Math.round(quantile(ms, p) * 1000) / 1000;
  return { ms_median: at(0.5), ms_min: at(0), ms_p20: at(0.2), ms_p80: at(0.8) };
}
