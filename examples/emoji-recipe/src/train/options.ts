import { parseArgs } from "node:util";

/** A wrong command line: the usage is shown and the exit code is 2. */
export class UsageError extends Error {}

/** `--help`: the usage goes to stdout and the exit code is 0. */
export class HelpRequested extends Error {}

export type Options<S extends string, F extends string> = Readonly<Partial<Record<S, string>>> &
  Readonly<Record<F, boolean>> & { readonly positionals: readonly string[] };

/** The command line as `--string VALUE` and `--flag`; `--help` ends in {@link HelpRequested}, anything unknown in {@link UsageError}, with the usage. */
export function parseOptions<S extends string, F extends string>(
  usage: string,
  {
    strings,
    flags,
    positionals: allowPositionals = false,
  }: { strings: readonly S[]; flags: readonly F[]; positionals?: boolean },
): Options<S, F> {
  const all = [
    ...strings.map((name) => [name, { type: "string" as const }]),
    ...[...flags, "help"].map((name) => [name, { type: "boolean" as const, default: false }]),
  ];
  try {
    const parsed = parseArgs({ options: Object.fromEntries(all), allowPositionals });
    const values = parsed.values as Readonly<Record<string, unknown>>;
    if (values.help === true) throw new HelpRequested(usage);
    return { ...values, positionals: parsed.positionals } as unknown as Options<S, F>;
  } catch (error) {
    if (error instanceof HelpRequested) throw error;
    throw new UsageError(`${(error as Error).message}\n\n${usage}`);
  }
}

/** A whole number of at least 1; `UsageError` otherwise. */
export function wholeNumber(name: string, value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1)
    throw new UsageError(`--${name}: expected a whole number of at least 1, got "${value}"`);
  return number;
}
