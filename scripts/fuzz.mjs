// Thousands of damaged records, files, headers and pictures: nothing but a KdError may come out, and memory stays within bounds.
//   npm run fuzz [-- --times 40 --seed 1]      exits 1 and prints the smallest failing input otherwise
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";

const root = join(import.meta.dirname, "..");
const { values } = parseArgs({ options: { times: { type: "string", default: "40" }, seed: { type: "string" } } });
const since = performance.now();
const { stdout, stderr, status } = spawnSync(
  process.execPath,
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--project",
    "@kd/data",
    "test/fuzz.test.ts",
    "--testTimeout",
    "1800000",
    "--maxWorkers",
    "1",
  ],
  {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    env: {
      ...process.env,
      KD_FUZZ_TIMES: values.times,
      ...(values.seed === undefined ? {} : { KD_FUZZ_SEED: values.seed }),
    },
  },
);
const counts = [...stdout.matchAll(/fuzz (.+): (\d+) cases, (\d+) refused, memory \+(-?\d+) MiB/g)];
for (const [line] of counts) console.log(line);
const total = counts.reduce((sum, [, , cases]) => sum + Number(cases), 0);
console.log(
  `${total} cases, ${counts.length} kinds, ${status === 0 ? "0 crashes" : "FAILED"}, ${Math.round((performance.now() - since) / 1000)} s`,
);
if (status !== 0) {
  console.error(stdout, stderr);
  process.exit(1);
}
