import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { latestRows, readRows } from "./results-csv.ts";
import { caption, markdownTable, shortTable } from "./table.ts";

export const RESULTS: string = fileURLToPath(new URL("../results.csv", import.meta.url));
const MARKERS = /(<!-- bench table -->\n)[\s\S]*?(<!-- end of bench table -->)/;

const TABLES = [
  { name: "README.md", path: fileURLToPath(new URL("../../README.md", import.meta.url)), of: shortTable },
  { name: "bench/README.md", path: fileURLToPath(new URL("../README.md", import.meta.url)), of: markdownTable },
];

/** Writes the tables between the markers of two READMEs, or with --check says whether they are what results.csv gives. */
export function table(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { check: { type: "boolean", default: false } } });
  const rows = latestRows(readRows(RESULTS));
  for (const { name, path, of } of TABLES) {
    const before = readFileSync(path, "utf8");
    if (!MARKERS.test(before)) throw new Error(`${name}: expected the markers ${MARKERS.source}, got none`);
    const text = rows.length === 0 ? "Not measured yet." : `${of(rows)}\n\n${caption(rows)}`;
    const after = before.replace(MARKERS, (_, start: string, end: string) => `${start}${text}\n${end}`);
    if (!values.check) writeFileSync(path, after);
    else if (after !== before)
      throw new Error(`${name}: expected the table that bench/results.csv gives, got another; npm run bench -- table`);
    process.stdout.write(`table: ${name} ${values.check ? "agrees with" : "written from"} results.csv\n`);
  }
  return Promise.resolve();
}
