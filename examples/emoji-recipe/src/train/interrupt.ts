/** Thrown after a first Ctrl-C, once the state is saved. */
export class Interrupted extends Error {}

const asked = new AbortController();

/** Aborted by the first Ctrl-C: what trains saves after its present step and ends. */
export const interruptSignal: AbortSignal = asked.signal;

/** Turns the first Ctrl-C into a wish to stop at the next step; the second quits at once. */
export function listenForInterrupt(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      if (asked.signal.aborted) process.exit(130);
      asked.abort();
      const isWorker = process.send !== undefined; // its parent has said so already
      if (!isWorker) process.stderr.write("\nstopping after this step; once more to quit without saving\n");
    });
}
