import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";

const COLUMNS = [
  "date",
  "machine",
  "cores",
  "what",
  "contender",
  "versions",
  "threads",
  "samples",
  "ms_p20",
  "ms_p50",
  "ms_p80",
  "peak_mib",
  "idle_mib",
  "extra_mib",
] as const;

/** One contender's measurement; every value as text. `what` is the same for things that are compared with each other. */
export type Row = Readonly<Record<(typeof COLUMNS)[number], string>>;

export function parseRows(text: string): Row[] {
  const [head, ...lines] = text.trim().split("\n");
  if (head !== COLUMNS.join()) throw new Error(`results.csv: expected the columns ${COLUMNS.join()}, got ${head}`);
  return lines.map((line) => {
    const cells = line.split(",");
    return Object.fromEntries(COLUMNS.map((column, i) => [column, cells[i] ?? ""])) as Row;
  });
}

/** Commas and line ends inside a value become semicolons: no value needs quotes. */
export function formatRow(row: Row): string {
  return COLUMNS.map((column) => row[column].replaceAll(/[,\n]+/g, ";").trim()).join();
}

export function readRows(file: string): Row[] {
  return existsSync(file) ? parseRows(readFileSync(file, "utf8")) : [];
}

export function appendRows(file: string, rows: readonly Row[]): void {
  if (!existsSync(file)) writeFileSync(file, `${COLUMNS.join()}\n`);
  appendFileSync(file, rows.map((row) => `${formatRow(row)}\n`).join(""));
}

/** The newest rows of every `what`: those of its last date. */
export function latestRows(rows: readonly Row[]): Row[] {
  const last = new Map<string, string>();
  for (const { what, date } of rows) if (date >= (last.get(what) ?? "")) last.set(what, date);
  return rows.filter(({ what, date }) => last.get(what) === date);
}
