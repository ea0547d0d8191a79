import { basename } from "node:path";
import { type Environment, gitCommit, type RunOptions, runStages } from "@kd/runs/node";
import stagesManifest from "@kd/stages/package.json" with { type: "json" };
import { describeBackend } from "@kd/tensor-core";
import { Interrupted, interruptSignal } from "./interrupt.ts";
import { reportProgress } from "./progress.ts";

/** What a run of the recipe leaves to {@link followRun}. */
export type FollowedRun = Omit<RunOptions, "environment" | "versions" | "commit" | "command" | "start" | "signal">;

/**
 * Runs stages to their end, from where the folder stopped, and shows it; a Ctrl-C saves first and throws {@link Interrupted}. A finished run only
 * puts its weights into the model.
 */
export async function followRun(run: FollowedRun): Promise<void> {
  const running = runStages({
    ...run,
    start: "resume",
    environment: environment(),
    versions: { "@kd/stages": stagesManifest.version },
    commit: await gitCommit(import.meta.dirname),
    command: process.argv.slice(1).join(" "),
    signal: interruptSignal,
  });
  let next = await running.next();
  for (; !next.done; next = await running.next()) {
    const event = next.value;
    if (event.kind === "step") reportProgress(event.report, event);
    else if (event.kind === "notice") process.stderr.write(`${basename(run.folder)}: ${event.message}\n`);
    else if (event.kind === "stage" && event.state === "resumes")
      process.stderr.write(`${event.stage} resumes after step ${event.step}\n`);
  }
  if (!next.value.finished)
    throw new Interrupted(`stopped and saved in ${next.value.checkpoint}; the same command with --resume goes on`);
}

/** What last bits depend on. */
function environment(): Environment {
  const { engine, gemm, threads } = describeBackend();
  const { provider, library = provider, version } = gemm;
  return { engine, products: version === undefined ? library : `${library} ${version}`, threads };
}
