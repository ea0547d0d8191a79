import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import { oneEngine } from "../../tensor-core/test/engines.ts";
import { runCli } from "../src/run-cli.ts";

/** The built command. */
export const BIN = fileURLToPath(new URL("../dist/bin.js", import.meta.url));
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

/** Runs a command in this process, which has started its engine already: half a second of CPU time less. */
export async function kdHere(args: readonly string[]): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation((chunk) => out.push(String(chunk)) > 0),
    vi.spyOn(process.stderr, "write").mockImplementation((chunk) => err.push(String(chunk)) > 0),
  ];
  for (const [name, value] of Object.entries({ ...ENVIRONMENT, NO_COLOR: "1" })) vi.stubEnv(name, value);
  try {
    const code = await runCli(args);
    return { code, out: out.join(""), err: err.join("") };
  } finally {
    for (const spy of spies) spy.mockRestore();
    vi.unstubAllEnvs();
  }
}
