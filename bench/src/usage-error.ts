/** A wrong command line: the text is shown and the exit code is 2. */
export class UsageError extends Error {}

/** A whole number of at least 1 from the command line. */
export function wholeNumber(name: string, value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1)
    throw new UsageError(`--${name}: expected a whole number of at least 1, got "${value}"`);
  return number;
}
