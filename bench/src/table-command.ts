import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { latestRows, readRows } from "./results-csv.ts";
import { caption, markdownTable } from "./table.ts";

export const RESULTS: string = fileURLToPath(new URL("../results.csv", import.meta.url));
const README = fileURLToPath(new URL("../../README.md", import.meta.url));
const MARKERS = /(<!-- bench table -->\n)[\s\S]*?(<!-- end of bench table -->)/;

/** Writes the table between the README's markers, or with --check says whether it is what results.csv gives. */
export function table(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { check: { type: "boolean", default: false } } });
  const before = readFileSync(README, "utf8");
  if (!MARKERS.test(before)) throw new Error(`README.md: expected the markers ${MARKERS.source}, got none`);
  const rows = latestRows(readRows(RESULTS));
  const text = rows.length === 0 ? "Not measured yet." : `${markdownTable(rows)}\n\n${caption(rows)}`;
  const after = before.replace(MARKERS, (_, start: string, end: string) => `${start}${text}\n${end}`);
  if (!values.check) writeFileSync(README, after);
  else if (after !== before)
    throw new Error("README.md: expected the table that bench/results.csv gives, got another; npm run bench -- table");
  process.stdout.write(`table: ${rows.length} rows, ${values.check ? "README.md agrees" : "written to README.md"}\n`);
  return Promise.resolve();
}
