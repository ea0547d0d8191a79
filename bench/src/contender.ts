import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import type { Samples } from "./job.ts";

/** What a worker says of itself when it is ready. */
interface Description {
  readonly what: string;
  readonly contender: string;
  readonly threads: number;
  readonly versions: string;
  readonly idle_mib: number;
  readonly extra_mib?: number;
  readonly first_loss: number;
}

/** A process that waits for its turn. */
export interface Contender {
  readonly description: Description;
  readonly ask: (steps: number) => Promise<Samples>;
  readonly stop: () => void;
}

// Threads of a BLAS or of OpenMP spin for up to 200 ms after their last product: let them end before the next one starts.
const PAUSE_MS = 300;

/** Starts a worker of the protocol: a line of description, then for each line N written to it a line of samples. */
export async function startContender(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Contender> {
  const [program, ...args] = command as [string, ...string[]];
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, ...env } });
  const ended = new Promise<never>((_, fail) => {
    child.on("error", fail);
    child.on("exit", (code, signal) =>
      fail(new Error(`${command.join(" ")}: ended with ${code ?? signal} before it answered`)),
    );
  });
  child.stdin.on("error", () => {}); // a process that has ended is reported as such
  ended.catch(() => {}); // heard through the races below
  const lines = createInterface({ input: child.stdout as NonNullable<ChildProcess["stdout"]> })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await Promise.race([lines.next(), ended]);
    return done === true ? ended : (JSON.parse(value as string) as unknown);
  };
  return {
    description: (await answer()) as Description,
    ask: async (steps) => {
      await setTimeout(PAUSE_MS);
      child.stdin?.write(`${steps}\n`);
      return (await answer()) as Samples;
    },
    stop: () => child.stdin?.end(),
  };
}
