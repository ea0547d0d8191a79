import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { UsageError } from "./usage-error.ts";

const PEERS = fileURLToPath(new URL("../peers/", import.meta.url));
const BENCH = fileURLToPath(new URL("./bench.js", import.meta.url));

/** A comparison by name: `a`, `a-frozen-slm`, `a-dpt`, `kd-32000`, `generate`. Ours is a command of `bench`, a peer's a script. */
export interface Thing {
  readonly ours: readonly string[];
  readonly peer: readonly string[];
  /** Whether the peer has a compiled form. */
  readonly compiles: boolean;
}

export function parseThing(name: string): Thing {
  const [, config, variant] = /^([abc])(?:-(frozen-slm|dpt))?$/.exec(name) ?? [];
  if (config !== undefined) {
    const args = ["--config", config, ...(variant === undefined ? [] : [`--${variant}`])];
    return { ours: ["step", ...args], peer: ["step.py", ...args], compiles: true };
  }
  const [, vocabulary] = /^kd-(\d+)$/.exec(name) ?? [];
  if (vocabulary !== undefined)
    return { ours: ["kd", "--vocab", vocabulary], peer: ["kd_terms.py", "--vocab", vocabulary], compiles: false };
  if (name === "generate") return { ours: ["generate"], peer: ["generate.py"], compiles: false };
  throw new UsageError(`--configs: expected a, b, c, a-frozen-slm, a-dpt, kd-32000 or generate, got "${name}"`);
}

/** @param product `auto` for the first that works, `off` for the kernels' own, a library's name or path, or `engine=NAME` */
export function ourCommand({ ours }: Thing, product: string, threads: number): string[] {
  const [, engine] = /^engine=(.+)$/.exec(product) ?? [];
  const choice = engine !== undefined ? ["--engine", engine] : product === "auto" ? [] : ["--blas", product];
  return [process.execPath, BENCH, ...ours, ...choice, "--threads", String(threads), "--serve"];
}

export function peerCommand({ peer, compiles }: Thing, mode: string, threads: number, python: string): string[] {
  const [script, ...args] = peer as [string, ...string[]];
  return [
    python,
    `${PEERS}${script}`,
    ...args,
    ...(compiles ? ["--mode", mode] : []),
    "--threads",
    String(threads),
    "--serve",
  ];
}

/** The peers' virtual environment when there is one, else the system's Python. */
export function defaultPython(): string {
  const own = `${PEERS}.venv/bin/python`;
  return existsSync(own) ? own : "python3";
}
