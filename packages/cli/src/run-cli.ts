import { KdError } from "@kd/contract";
import { CommanderError } from "commander";
import { Interrupted } from "./interrupt.ts";
import { createProgram } from "./program.ts";
import { harmless, paint } from "./terminal.ts";

/**
 * Runs a command line without `node` and the script's name, such as `["doctor", "--json"]`.
 *
 * @returns the exit code: 0 done, 1 failed, 2 bad usage, 130 stopped by Ctrl-C after saving
 */
export async function runCli(argv: readonly string[]): Promise<number> {
  if (process.stdout.listenerCount("error") === 0)
    process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1)); // kd … | head
  try {
    await createProgram().parseAsync([...argv], { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof Interrupted) {
      process.stderr.write(`${error.message}\n`);
      return 130;
    }
    process.stderr.write(`${failure(error, argv.includes("--verbose"))}\n`);
    return 1;
  }
}

/** One line: what went wrong is in the message; the stack is for whoever asks. */
function failure(error: unknown, verbose: boolean): string {
  const { red } = paint(process.stderr);
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  const name = KdError.is(error) ? `error ${error.code}` : "error";
  return `${red(name)}: ${harmless(`${message}${verbose && stack !== undefined ? `\n${stack}` : ""}`)}`;
}
