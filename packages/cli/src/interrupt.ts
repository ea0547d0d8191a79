/** Thrown after a first Ctrl-C, once the state is saved. */
export class Interrupted extends Error {}

/** What listens for Ctrl-C. */
export interface Interrupts {
  /** Aborted by the first: what trains saves after its present step and ends. The second quits at once. */
  readonly signal: AbortSignal;
  stop(): void;
}

/** Listens for Ctrl-C, and for the signal that ends processes, until it is stopped. */
export function listenForInterrupt(): Interrupts {
  const asked = new AbortController();
  const onSignal = (): void => {
    if (asked.signal.aborted) process.exit(130);
    asked.abort();
    process.stderr.write("\nstopping after this step; once more to quit without saving\n");
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, onSignal);
  return {
    signal: asked.signal,
    stop: () => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, onSignal);
    },
  };
}
