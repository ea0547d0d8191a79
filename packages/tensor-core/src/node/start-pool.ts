import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { KdError } from "@kd/contract";
import { JOB } from "../kernels/job.ts";
import { createPool, type Pool } from "../kernels/pool.ts";
import { bindOnnxRuntime } from "./onnx-gemm.ts";
import { type PoolWorkerData, poolWorker } from "./pool-worker.ts";
import { bindSgemm } from "./sgemm.ts";

/** Threads that pay on this machine. More than eight were never measured: a product is cut along one side, whose pieces get thin. */
export function defaultThreads(): number {
  return Math.min(availableParallelism(), 8);
}

/** A look costs some nanoseconds: the pool stays awake for about a millisecond after a job, longer than the pauses inside a training step. */
const SPINS = 200_000;

// As text, so that it needs no file of its own that a bundler or a test runner would have to find.
const SOURCE = `const { parentPort, workerData } = require("node:worker_threads");
(${poolWorker})({ require, bind: { blas: ${bindSgemm}, onnxruntime: ${bindOnnxRuntime} }, workerData, parentPort });`;

export interface StartPool extends Pick<PoolWorkerData, "module" | "memory" | "kernels" | "library" | "hostFrom"> {
  /** The main thread among them. */
  readonly threads: number;
  /** Address of scratch memory for one more thread's kernels. */
  readonly scratch: () => number;
}

/** Starts `threads − 1` threads, which do not keep the process alive. Throws KD_BACKEND with the reason when one does not start. */
export async function startPool({ threads, scratch, library, ...shared }: StartPool): Promise<Pool> {
  const job = new SharedArrayBuffer(JOB.bytes);
  const start = (): Promise<void> => {
    const workerData: PoolWorkerData = {
      ...shared,
      ...(library === undefined ? {} : { library }),
      scratch: scratch(),
      job,
      layout: JOB,
      spins: SPINS,
    };
    const worker = new Worker(SOURCE, { eval: true, workerData });
    return new Promise((resolve, reject) => {
      worker.once("message", () => {
        worker.unref();
        resolve();
      });
      worker.once("error", (cause) =>
        reject(new KdError("KD_BACKEND", `useBackend: a thread did not start: ${cause.message}`, { cause })),
      );
    });
  };
  await Promise.all(Array.from({ length: threads - 1 }, start));
  return createPool(job, threads);
}
