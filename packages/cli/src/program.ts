import { createRequire } from "node:module";
import { Command } from "commander";
import { cacheCommand } from "./commands/cache.ts";
import { chatCommand } from "./commands/chat.ts";
import { convertCommand } from "./commands/convert.ts";
import { dataCommand } from "./commands/data.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { exportCommand } from "./commands/export.ts";
import { generateCommand } from "./commands/generate.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { reportCommand } from "./commands/report.ts";
import { trainCommand } from "./commands/train.ts";

/** Every command, in the order that `kd --help` lists them; a new one is a file and a line here. */
const COMMANDS = [
  doctorCommand,
  inspectCommand,
  chatCommand,
  generateCommand,
  convertCommand,
  exportCommand,
  trainCommand,
  cacheCommand,
  reportCommand,
  dataCommand,
];

/** The `kd` command. A wrong command line throws commander's `CommanderError` after printing what is wrong. */
export function createProgram(): Command {
  const { version } = createRequire(import.meta.url)("../package.json") as { version: string };
  const program = new Command("kd")
    .description("Looks at, talks to, converts and distils vision-language models.")
    .version(version)
    .option("--verbose", "show the stack of an error")
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(--help shows how it is used)")
    .exitOverride()
    .addHelpText(
      "after",
      `
Environment:
  KD_ENGINE, KD_BLAS, KD_THREADS   as --engine, --blas, --threads
  NO_COLOR                         no colours

Exit codes: 0 done, 1 failed, 2 bad usage, 130 stopped by Ctrl-C after saving.`,
    );
  for (const make of COMMANDS) {
    const command = make().copyInheritedSettings(program);
    for (const inner of command.commands) inner.copyInheritedSettings(program);
    program.addCommand(command);
  }
  return program;
}
