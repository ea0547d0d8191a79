import { KdError } from "@kd/contract";
import { Interrupted, listenForInterrupt } from "./interrupt.ts";
import { HelpRequested, UsageError } from "./options.ts";

/** Runs a command: 0 done, 1 failed (a KdError as one line), 2 wrong usage, 130 stopped by Ctrl-C after saving. */
export async function main(command: () => Promise<void>): Promise<never> {
  listenForInterrupt();
  try {
    await command();
    process.exit(0);
  } catch (error) {
    if (error instanceof HelpRequested) {
      process.stdout.write(`${error.message}\n`);
      process.exit(0);
    }
    if (error instanceof UsageError) return fail(error.message, 2);
    if (error instanceof Interrupted) return fail(error.message, 130);
    if (KdError.is(error)) return fail(`${(error as KdError).code}: ${(error as KdError).message}`, 1);
    return fail(error instanceof Error ? (error.stack ?? error.message) : String(error), 1);
  }
}

function fail(message: string, code: number): never {
  process.stderr.write(`\n${message}\n`);
  process.exit(code);
}
