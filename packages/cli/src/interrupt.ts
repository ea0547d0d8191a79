/** Thrown after a first Ctrl-C, once the state is saved. */
export class Interrupted extends Error {}

/** What listens for Ctrl-C. */
export interface Interrupts {
  /** Aborted by the first: what trains saves after its present step and ends. The second quits at once. */
  readonly signal: AbortSignal;
  stop(): void;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Listens for Ctrl-C, for the signal that ends processes and for that of a terminal that is closed, until it is stopped. */
export function listenForInterrupt(): Interrupts {
  const asked = new AbortController();
  const onSignal = (): void => {
    if (asked.signal.aborted) process.exit(130);
    asked.abort();
    process.stderr.write("\nstopping after this step; once more to quit without saving\n");
  };
  const unseen = (): void => {}; // whoever watched has gone, as `| head` and a closed terminal do: no reason to lose steps
  for (const name of SIGNALS) process.on(name, onSignal);
  process.stderr.on("error", unseen);
  return {
    signal: asked.signal,
    stop: () => {
      for (const name of SIGNALS) process.off(name, onSignal);
      process.stderr.off("error", unseen);
    },
  };
}
