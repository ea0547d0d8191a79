/** Thrown after a first Ctrl-C, once the state is saved. */
export class Interrupted extends Error {}

let asked = false;

/** Turns the first Ctrl-C into a wish to stop at the next step; the second quits at once. */
export function listenForInterrupt(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      if (asked) process.exit(130);
      asked = true;
      process.stderr.write("\nstopping after this step; once more to quit without saving\n");
    });
}

export const interrupted = (): boolean => asked;
