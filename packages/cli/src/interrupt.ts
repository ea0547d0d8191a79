/** Thrown after a first Ctrl-C, once the state is saved. */
export class Interrupted extends Error {}

/** A signal that the first Ctrl-C aborts: what trains saves after its present step and ends. The second quits at once. */
export function listenForInterrupt(): AbortSignal {
  const asked = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      if (asked.signal.aborted) process.exit(130);
      asked.abort();
      process.stderr.write("\nstopping after this step; once more to quit without saving\n");
    });
  return asked.signal;
}
