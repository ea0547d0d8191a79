import process from "node:process";

const EVENTS = ["uncaughtException", "unhandledRejection"] as const;

/**
 * Runs `start` and takes away the process-wide error listeners that it adds. Emscripten's rethrow what they get: one stray rejection
 * anywhere in the caller's program would end it without a report.
 */
export async function withoutNewListeners<T>(start: () => Promise<T>): Promise<T> {
  const before = new Set(EVENTS.flatMap((event) => process.listeners(event as "uncaughtException")));
  try {
    return await start();
  } finally {
    for (const event of EVENTS)
      for (const listener of process.listeners(event as "uncaughtException"))
        if (!before.has(listener)) process.removeListener(event, listener);
  }
}
