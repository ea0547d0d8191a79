import { KdError } from "@kd/contract";
import { JOB } from "./job.ts";

/** A kernel over a range, cut into chunks. */
interface Job {
  /** Index into the pool's kernels. */
  readonly kernel: number;
  readonly args: readonly number[];
  readonly count: number;
  readonly chunks: number;
  /** Elements of a chunk. */
  readonly size: number;
  /** Index of the argument that `stride` is added to once a chunk; −1 for none. */
  readonly strided: number;
  readonly stride: number;
}

/** Threads that run kernels beside the main one, on the same memory. */
export interface Pool {
  /** The main thread among them. */
  readonly threads: number;
  /** Runs a job on all threads and returns when it is done; `own` runs one chunk here. Throws KD_BACKEND when another thread failed. */
  run(job: Job, own: (chunk: number) => void): void;
  /** Ends the threads. */
  close(): void;
}

/** The main thread's side of a pool whose `threads − 1` workers read jobs from `memory`. */
export function createPool(memory: SharedArrayBuffer, threads: number): Pool {
  const words = new Int32Array(memory, 0, JOB.arguments / 4);
  const values = new Float64Array(memory, JOB.arguments);
  let number = 0;
  const post = (job: Job): void => {
    Atomics.store(words, JOB.ticket, (number << 8) | 255); // nobody claims while the job is written
    number = (number + 1) & 0x7fffff;
    words[JOB.kernel] = job.kernel;
    words[JOB.count] = job.count;
    words[JOB.chunks] = job.chunks;
    words[JOB.size] = job.size;
    words[JOB.argumentCount] = job.args.length;
    words[JOB.strided] = job.strided;
    words[JOB.stride] = job.stride;
    for (const [i, value] of job.args.entries()) values[i] = value;
    Atomics.store(words, JOB.done, 0);
    Atomics.store(words, JOB.ticket, number << 8);
    Atomics.notify(words, JOB.ticket);
  };
  return {
    threads,
    run: (job, own) => {
      post(job);
      let failure: { readonly error: unknown } | undefined;
      for (;;) {
        const ticket = Atomics.load(words, JOB.ticket);
        const chunk = ticket & 255;
        if (chunk >= job.chunks) break;
        if (Atomics.compareExchange(words, JOB.ticket, ticket, ticket + 1) !== ticket) continue;
        try {
          if (failure === undefined) own(chunk);
        } catch (error) {
          failure = { error }; // thrown below: until the others are done, the caller must not free what they write to
        }
        Atomics.add(words, JOB.done, 1);
      }
      while (Atomics.load(words, JOB.done) < job.chunks); // the others' last chunks: microseconds
      const othersFailed = Atomics.exchange(words, JOB.failed, 0) !== 0;
      if (failure !== undefined) throw failure.error;
      if (othersFailed)
        throw new KdError("KD_BACKEND", "kernels: a thread of the pool failed; start again with threads: 1");
    },
    close: () => post({ kernel: -1, args: [], count: 0, chunks: 1, size: 0, strided: -1, stride: 0 }),
  };
}
