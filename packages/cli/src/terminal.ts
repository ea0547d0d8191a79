import { overwritingLine } from "@kd/runs";
import pc from "picocolors";

/** Colours for a stream: only on a terminal, never with NO_COLOR, always with FORCE_COLOR. */
export function paint(stream: { readonly isTTY?: boolean }): ReturnType<typeof pc.createColors> {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== "") return pc.createColors(false);
  return pc.createColors(Boolean(FORCE_COLOR) || (stream.isTTY === true && TERM !== "dumb"));
}

/** Text of others as it may reach a terminal: control characters but tab and line feed are written out, so that no name and no caption moves the cursor. */
export const harmless = (text: string): string =>
  text.replace(/(?![\t\n])\p{Cc}/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

// biome-ignore lint/suspicious/noControlCharactersInRegex: what is looked for
const COLOUR = /(\u001b\[[\d;]*m)/;

/** A piece of a model's answer on stdout: harmless on a terminal, as it is in a file or pipe. */
export const sayPiece = (piece: string): boolean =>
  process.stdout.write(process.stdout.isTTY === true ? harmless(piece) : piece);

/** A result, as text on stdout; of control characters only colours pass. */
export const say = (text: string): boolean =>
  process.stdout.write(
    `${text
      .split(COLOUR)
      .map((part, i) => (i % 2 === 0 ? harmless(part) : part))
      .join("")}\n`,
  );

/** A result for machines: one line of JSON on stdout, which has another way to write the control characters that `JSON.stringify` leaves. */
export const sayJson = (value: unknown): boolean => say(JSON.stringify(value));

let unfinished = false; // a progress line stands on the terminal, without its end

/** Progress, on stderr, on a line of its own; it may name files and records. */
export function note(text: string): boolean {
  endProgress();
  return process.stderr.write(`${harmless(text)}\n`);
}

/** A line that the next one overwrites: for a terminal, on stderr. */
export function progress(line: string): void {
  process.stderr.write(overwritingLine(harmless(line), process.stderr.columns || 80));
  unfinished = true;
}

/** Lets the last progress line stand: what comes next begins a line. */
export function endProgress(): void {
  if (unfinished) process.stderr.write("\n");
  unfinished = false;
}

/** Names and values in two columns; rows without a value are left out. */
export function rows(pairs: readonly (readonly [name: string, value: string | number | undefined])[]): string {
  const { dim } = paint(process.stdout);
  const shown = pairs.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${dim(name.padEnd(width))}  ${value}`).join("\n");
}

/** `1,234,567`. */
export const grouped = (count: number): string => count.toLocaleString("en");

/** `12.3 MiB`. */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(count, 1)) / 10));
  return `${(count / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
