import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { KdError } from "@kd/contract";
import { Interrupted } from "../train/interrupt.ts";
import { type ProgressMessage, showProgress } from "../train/progress.ts";
import type { Job } from "./worker.ts";

const WORKER = fileURLToPath(new URL("./worker.js", import.meta.url));

/** Runs jobs in processes of their own, `parallel` at a time: chains are independent, and one core a chain beats two cores a product. */
export async function runJobs(jobs: readonly Job[], parallel: number): Promise<void> {
  const waiting = [...jobs];
  const present = new Map<number, ProgressMessage>();
  const lane = async (index: number): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const label = jobs.length > 2 ? `seed ${job.seed} ` : "";
      await runJob(job, (message) => {
        const labelled = { ...message, line: label + message.line };
        present.set(index, labelled);
        showProgress([...present.values()], labelled);
      });
      present.delete(index);
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(parallel, jobs.length) }, (_, i) => lane(i)));
  const failed = lanes.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

function runJob(job: Job, onProgress: (message: ProgressMessage) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(WORKER, [JSON.stringify(job)], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const forward = (signal: NodeJS.Signals) => child.kill(signal);
    // A terminal sends Ctrl-C to every process itself; a plain kill reaches this one alone.
    process.once("SIGTERM", forward);
    child.on("message", onProgress);
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      process.off("SIGTERM", forward);
      const what = `${job.chains.map(({ name }) => name).join(", ")} of seed ${job.seed}`;
      if (code === 0) resolve();
      else if (code === 130) reject(new Interrupted("stopped and saved; run the same command with --resume to go on"));
      else
        reject(
          new KdError(
            "KD_DIVERGED",
            `recipe: training ${what} ended with ${signal ?? `exit code ${code}`}; see the lines above, then --resume`,
          ),
        );
    });
  });
}
