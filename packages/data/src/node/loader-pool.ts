import { Worker } from "node:worker_threads";
import { KdError, type KdErrorCode } from "@kd/contract";
import type { Pick } from "../epoch-batches.ts";
import { type EncodedBatch, LANES } from "./encode-batch.ts";
import type { Job, Reply, WorkerStart } from "./loader-messages.ts";

/** Worker threads that make batches. */
export interface LoaderPool {
  /** Asks worker `id % workers` for a batch. It works down what it was asked for while this thread is busy. */
  make(id: number, picks: readonly Pick[]): Promise<EncodedBatch>;
  close(): Promise<void>;
}

interface Waiting extends Job {
  resolve(done: EncodedBatch): void;
  reject(error: Error): void;
}

/** The compiled worker, also when the tests run the sources: Node cannot start a thread from TypeScript, nor with their conditions. */
const FROM_SOURCE: boolean = import.meta.url.endsWith(".ts");
const WORKER = new URL(FROM_SOURCE ? "../../dist/node/loader-worker.js" : "./loader-worker.js", import.meta.url);

/**
 * A pool of our own: those of the registries hand out a task when the main thread is free, which it is not during a step, and one of them waits for ever
 * for a worker that has left.
 *
 * @param nameOf file and index of a record, for the error when a worker dies over it
 */
export function loaderPool(
  start: Omit<WorkerStart, "inHand">,
  options: { workers: number; memoryMb: number; nameOf: (pick: Pick) => string },
): LoaderPool {
  const { workers: count, memoryMb, nameOf } = options;
  let closed = false;
  let broken: Error | undefined;
  const workers = Array.from({ length: count }, () => {
    const inHand = new Int32Array(new SharedArrayBuffer(4 * LANES)).fill(-1);
    const waiting: Waiting[] = [];
    const workerData: WorkerStart = { ...start, inHand };
    const worker = new Worker(WORKER, {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
      ...(FROM_SOURCE ? { execArgv: [] } : {}),
    });
    worker.unref();
    const dieOf = (message: string): void => {
      const picks = [...inHand].sort((a, b) => a - b).flatMap((position) => waiting[0]?.picks[position] ?? []);
      const where = picks.map(nameOf).join(" or ") || "loader";
      broken ??= new KdError("KD_DATA", `${where}: expected a batch, ${message}; look at what it had in hand first`);
      for (const each of waiting.splice(0)) each.reject(broken);
    };
    worker.on("message", (reply: Reply) => {
      const job = reply.id < 0 ? undefined : waiting.shift();
      if (waiting.length === 0 && !closed) worker.unref(); // `close` waits for it
      if ("done" in reply) job?.resolve(reply.done);
      else {
        const { code = "KD_DATA", message } = reply.failed;
        const error = new KdError(code as KdErrorCode, message);
        if (job !== undefined) job.reject(error);
        else {
          broken ??= error;
          for (const each of waiting.splice(0)) each.reject(error);
        }
      }
    });
    worker.on("error", (error) => dieOf(`its worker thread died: ${String(error)}`));
    worker.on("exit", (code) => closed || dieOf(`its worker thread left with code ${code}`));
    return { worker, waiting };
  });
  return {
    make: (id, picks) =>
      new Promise((resolve, reject) => {
        const chosen = workers[id % count] as (typeof workers)[number];
        if (broken !== undefined || closed)
          return reject(broken ?? new KdError("KD_DATA", "loader: it is closed; make another"));
        chosen.waiting.push({ id, picks, resolve, reject });
        chosen.worker.ref();
        chosen.worker.postMessage({ id, picks } satisfies Job);
      }),
    close: async () => {
      closed = true;
      await Promise.all(
        workers.map(({ worker }) => {
          worker.ref(); // else a process with nothing else to do ends before this await does
          return worker.terminate();
        }),
      );
      for (const { waiting } of workers)
        for (const each of waiting.splice(0))
          each.reject(new KdError("KD_DATA", "loader: it was closed; make another"));
    },
  };
}
