import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { oneEngine } from "../../tensor-core/test/engines.ts";

const BIN = fileURLToPath(new URL("../dist/bin.js", import.meta.url));
/** One thread and no library: the same bits everywhere, and a fast start. */
export const ENVIRONMENT = { KD_ENGINE: oneEngine("wasm"), KD_BLAS: "none", KD_THREADS: "1" } as const;

/** What a command left. */
export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** How {@link kd} runs a command. */
export interface RunKd {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called whenever the command says something on stderr. */
  readonly onError?: (all: string, interrupt: () => void) => void;
}

/** Runs the built command as a process of its own. */
export function kd(args: readonly string[], { input = "", env = {}, onError }: RunKd = {}): Promise<Ran> {
  const { NO_COLOR: _, FORCE_COLOR: __, ...rest } = process.env;
  const child = spawn(process.execPath, [BIN, ...args], { env: { ...rest, ...ENVIRONMENT, ...env } });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
    onError?.(err, () => child.kill("SIGINT"));
  });
  child.stdin.on("error", () => {}); // a command that failed reads nothing
  child.stdin.end(input);
  return new Promise((done) => child.on("close", (code) => done({ code, out, err })));
}
