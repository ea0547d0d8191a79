// Mutation testing of the losses and of the operations under them, on cpu: what each test is worth. Ends with a table, and above 0 where a score is
// below the threshold. See docs/mutation.md.
//   node scripts/bootstrap.mjs node scripts/mutation.mjs [--incremental] [--concurrency N] [--log LEVEL] [--folder FOLDER] [file…]
import { rmSync } from "node:fs";
import { relative } from "node:path";
import { parseArgs } from "node:util";
import { Stryker } from "@stryker-mutator/core";
import { root } from "./tools-folder.mjs";

const THRESHOLD = 90; // percent, of each package
const NN = "packages/tensor-core/src/nn";
const FILES = [
  "packages/losses-mdist/src/**/*.ts",
  "packages/losses-rdist/src/**/*.ts",
  `${NN}/{row-losses,row-losses-portable,row-checks,row-sums,divergence,divergence-portable,finite,select-rows}.ts`,
  `${NN}/{top-k-rows,top-k-portable,gram,head-metric,span-products}.ts`,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    incremental: { type: "boolean", default: false },
    concurrency: { type: "string", default: "2" },
    log: { type: "string", default: "warn" },
    folder: { type: "string", default: ".cache/mutation" }, // git-ignored: sandbox and reports
  },
});
const { folder } = values;

process.chdir(root);
rmSync(`${folder}/sandbox`, { recursive: true, force: true }); // of a run that was cut short
const results = await new Stryker({
  mutate: [...(positionals.length > 0 ? positionals : FILES), "!**/*.test.ts"],
  ignorePatterns: ["/.cache", "/.tools", "/.ci", "/runs", "/goldens", "/examples", "/bench", "/docs", "dist", ".turbo"],
  testRunner: "vitest",
  vitest: { configFile: "scripts/mutation.vitest.ts", related: false },
  plugins: ["@stryker-mutator/vitest-runner", `${root}/scripts/mutation-ignorer.mjs`],
  ignorers: ["other-engines"],
  coverageAnalysis: "perTest",
  disableTypeChecks: false, // vitest does not look at types
  tsconfigFile: "none",
  concurrency: Number(values.concurrency),
  // A mutant that does not end is found by counting; the clock is for those that wait, not for a machine that is busy.
  timeoutMS: 300_000,
  dryRunTimeoutMinutes: 30,
  tempDirName: `${folder}/sandbox`,
  incremental: values.incremental,
  incrementalFile: `${folder}/incremental.json`,
  reporters: ["progress-append-only", "json", "html"],
  jsonReporter: { fileName: `${folder}/report.json` },
  htmlReporter: { fileName: `${folder}/report.html` },
  logLevel: values.log,
  allowConsoleColors: false,
}).runMutationTest();

const DETECTED = ["Killed", "Timeout"];
const MISSED = ["Survived", "NoCoverage"];
const missed = results
  .filter(({ status }) => MISSED.includes(status))
  .map(({ fileName, location, mutatorName, replacement, status }) => {
    const { line, column } = location.start;
    return {
      file: relative(root, fileName),
      line,
      column,
      text: `${mutatorName}: ${replacement?.replace(/\s+/g, " ")}${status === "NoCoverage" ? " (no test gets here)" : ""}`,
    };
  })
  .sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column);
console.log(`\n${missed.length} mutants that no test sees:`);
for (const { file, line, column, text } of missed) console.log(`  ${file}:${line}:${column} ${text}`);

const packages = new Map();
for (const result of results) {
  const name = `@kd/${relative(root, result.fileName).split(/[\\/]/)[1]}`;
  packages.set(name, [...(packages.get(name) ?? []), result]);
}
const columns = ["package", "mutants", "killed", "timed out", "survived", "not covered", "ignored", "score"];
const rows = [...packages].sort().map(([name, of]) => {
  const count = (...statuses) => of.filter(({ status }) => statuses.includes(status)).length;
  const [detected, valid] = [count(...DETECTED), count(...DETECTED, ...MISSED)];
  const counts = ["Killed", "Timeout", "Survived", "NoCoverage", "Ignored"].map((status) => count(status));
  return [name, valid, ...counts, ((100 * detected) / Math.max(1, valid)).toFixed(1)];
});
const widths = columns.map((column, i) =>
  Math.max(...[column, ...rows.map((row) => row[i])].map((x) => String(x).length)),
);
console.log("");
for (const row of [columns, ...rows])
  console.log(row.map((x, i) => (i === 0 ? String(x).padEnd(widths[i]) : String(x).padStart(widths[i]))).join("  "));
console.log(`\nevery mutant: ${folder}/report.html; why each survivor survives: docs/mutation.md`);
const low = rows.filter((row) => Number(row.at(-1)) < THRESHOLD);
for (const row of low) console.error(`${row[0]}: score ${row.at(-1)} is below ${THRESHOLD}`);
process.exitCode = low.length > 0 ? 1 : 0;
