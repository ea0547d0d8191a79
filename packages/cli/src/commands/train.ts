import type { Environment } from "@kd/runs/node";
import { Command, InvalidArgumentError, Option } from "commander";
import { type EngineFlags, engineName, startEngine, wholeNumber, withEngine } from "../engine.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { note, rows, say, sayJson } from "../terminal.ts";
import type { RunResult } from "../train/run.ts";

const positive = (value: string): number => {
  if (!(Number(value) > 0)) throw new InvalidArgumentError("Expected a number above 0.");
  return Number(value);
};
const named = (value: string): string[] => value.split(",").map((name) => name.trim());

/** Options that say what a key of the configuration says, over the file. */
const KEYS: readonly (readonly [flags: string, text: string, parse?: (value: string) => unknown])[] = [
  ["--output-dir <dir>", "folder of the run"],
  ["--teacher <dir>", "the large model"],
  ["--student <dir>", "the small model"],
  ["--stages <names>", "of pt, dpt, sft, dft, in this order, separated by commas", named],
  ["--data-path <path>", "LLaVA's JSON, JSON lines, Parquet, or a folder of pictures and captions, for every stage"],
  ["--image-folder <dir>", "where its pictures are"],
  ["--index-folder <dir>", "where indices and unpacked data go, beside the data by default"],
  ["--epochs <n>", "passes over the data", wholeNumber],
  ["--max-steps <n>", "steps of every stage, instead of passes", wholeNumber],
  ["--batch-size <n>", "records a step", wholeNumber],
  ["--micro-batch-size <n>", "records at a time: memory, not results", wholeNumber],
  ["--learning-rate <x>", "its peak, of every stage", positive],
  ["--seed <n>", "of the new projector and the order of records", Number],
  ["--save-steps <n>", "steps between two checkpoints", wholeNumber],
];

interface Flags extends EngineFlags {
  readonly set?: Readonly<Record<string, unknown>>;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly from?: string;
  readonly json?: boolean;
  readonly [key: string]: unknown;
}

/** `kd train CONFIG`: stages of LLaVA-KD on the user's own data and models. */
export function trainCommand(): Command {
  const command = new Command("train")
    .description("distil a student from a teacher on your own pictures and conversations: any stages in order")
    .argument("<config>", "JSON or YAML; its paths start at the file");
  for (const [flags, text, parse] of KEYS)
    command.addOption(parse ? new Option(flags, text).argParser(parse) : new Option(flags, text));
  return withEngine(command)
    .option(
      "--set <key=value>",
      "any other key, also of one stage: dft.learning_rate=1e-5; again for more",
      parseSetting,
    )
    .option("--resume", "go on with the run in the output folder")
    .option("--from <stage>", "go on with it, but train this stage and the later ones again")
    .option("--overwrite", "remove what is in the output folder and start again")
    .option("--json", "the result as one JSON object: output_dir, student, stages")
    .addHelpText(
      "after",
      `
The configuration is printed to stderr, whole, and saved in the run's folder, whose config.json is one, too; command line over file over defaults.
Ctrl-C saves and ends with 130; a second one quits at once.

Examples:
  kd train train.json
  kd train train.json --stages pt,sft,sft --output-dir runs/control
  kd train train.json --max-steps 100 --set dft.learning_rate=1e-5 --set gamma=1
  kd train train.json --resume`,
    )
    .action(async (path: string, flags: Flags, command: Command) => {
      const interrupts = listenForInterrupt();
      try {
        const { readConfig } = await import("../train/read-config.ts");
        const { trainRun } = await import("../train/run.ts");
        const config = await readConfig(path, { ...keysOf(flags), ...flags.set });
        note(JSON.stringify(config, null, 2));
        const { resume = false, overwrite = false, from } = flags;
        if (resume && overwrite) command.error("error: --resume and --overwrite exclude each other");
        const start = overwrite ? "overwrite" : resume || from !== undefined ? "resume" : "new";
        const { savedEnvironment } = await import("@kd/runs/node");
        const before = start === "resume" ? await savedEnvironment(config.output_dir) : undefined;
        if (start === "resume" && before === undefined) note(`no checkpoint in ${config.output_dir}: the run begins`);
        const saved = before && savedFlags(before, flags);
        const started = saved && (await startEngine(saved).catch(() => undefined)); // not here: the run says what differs
        note(`engine ${engineName(started ?? (await startEngine(flags)))}`);
        const typed = `kd ${process.argv.slice(2).join(" ")}`;
        const result = await trainRun({ config, start, from, command: typed, signal: interrupts.signal });
        if (flags.json) sayJson(result);
        else say(describe(result));
      } finally {
        interrupts.stop();
      }
    });
}

/** What a run was trained with, where the command line says nothing else: the same last bits. */
function savedFlags(saved: Environment, { engine, blas, threads }: EngineFlags): EngineFlags | undefined {
  if (engine !== "auto" || blas !== undefined || threads !== undefined) return undefined;
  const [library = ""] = String(saved.products).split(" ");
  const none = library === "wasm" || library === "engine";
  return {
    engine: saved.engine as EngineFlags["engine"],
    ...(none && saved.engine !== "wasm" ? {} : { blas: none ? "none" : library }),
    ...(saved.engine === "wasm" ? { threads: Number(saved.threads) } : {}),
  };
}

/** `--data-path` is `dataPath` to commander and `data_path` to the configuration. */
function keysOf(flags: Flags): Record<string, unknown> {
  const keys = KEYS.map(([option]) => new Option(option).attributeName());
  const given = keys.filter((key) => flags[key] !== undefined);
  return Object.fromEntries(given.map((key) => [key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), flags[key]]));
}

const describe = ({ student, stages }: RunResult): string =>
  rows([
    ...stages.map(
      ({ stage, records, steps, loss, skipped }) =>
        [
          stage,
          `${steps} steps of ${records} records${loss === undefined ? "" : `, loss ${loss.toFixed(4)}`}${skipped === undefined ? "" : `, ${skipped} left out`}`,
        ] as const,
    ),
    ["student", student],
  ]);

/** `dft.learning_rate=1e-5` as `{ dft: { learning_rate: 1e-5 } }`; a value that is no JSON is a text. */
function parseSetting(text: string, before: Record<string, unknown> = {}): Record<string, unknown> {
  const at = text.indexOf("=");
  const keys = text.slice(0, Math.max(at, 0)).split(".");
  if (keys.length > 2 || keys.some((key) => key === "")) throw new InvalidArgumentError("Expected key=value.");
  let value: unknown = text.slice(at + 1);
  try {
    value = JSON.parse(value as string);
  } catch {} // a text
  const [first, second] = keys as [string, string | undefined];
  return {
    ...before,
    [first]: second === undefined ? value : { ...(before[first] as object | undefined), [second]: value },
  };
}
