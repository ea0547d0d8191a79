#!/usr/bin/env node
import process from "node:process";
import { KdError } from "@kd/contract";
import { UsageError } from "./usage-error.ts";

const USAGE = `npm run bench -- COMMAND [options]; see bench/README.md

  step      --config a|b|c|d256,L6,V4096,8x128 [--frozen-slm | --dpt]      a training step
  kd        --vocab 32000 --rows 256 [--chunk N]                         cross-entropy + KL with gradients
  generate  --prompt 16 --tokens 32                                      greedy decoding with a cache
            each: [--engine E] [--blas off|NAME|PATH] [--threads N] [--steps N] [--json]
  compare   [--configs a,b,c] [--rounds N] [--steps N] [--threads 1,2] [--ours auto,off] [--peers eager,compile]
            [--python PATH] [--dry]                                      beside PyTorch, in turn
  load      [--model llava|slm] [--size 135m|tiny] [--dtype BF16|F16|F32] [--rounds N] [--json]  a checkpoint, beside reading and widening its bytes
  growth    [--rounds N] [--threads N] [--blas off|NAME]                 step time as sizes grow
  table     [--check]                                                    the README's table from results.csv`;

// Loaded when asked for: what a worker imports is part of the memory it reports.
const COMMANDS: Readonly<Record<string, () => Promise<(args: string[]) => Promise<void>>>> = {
  step: async () => (await import("./job-commands.ts")).step,
  kd: async () => (await import("./job-commands.ts")).kd,
  generate: async () => (await import("./job-commands.ts")).generate,
  compare: async () => (await import("./compare.ts")).compare,
  load: async () => (await import("./load.ts")).load,
  "load-once": async () => (await import("./load-once.ts")).loadOnce,
  growth: async () => (await import("./growth.ts")).growth,
  table: async () => (await import("./table-command.ts")).table,
};

try {
  const [name = "", ...args] = process.argv.slice(2);
  const load = COMMANDS[name];
  if (load === undefined || args.includes("--help")) throw new UsageError(USAGE);
  await (await load())(args);
  process.exit(0);
} catch (error) {
  const { message, stack, code } = error as Error & { code?: string };
  const usage = error instanceof UsageError || code?.startsWith("ERR_PARSE_ARGS") === true;
  process.stderr.write(`${usage || KdError.is(error) ? message : stack}\n`);
  process.exit(usage ? 2 : 1);
}
