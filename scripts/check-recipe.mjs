// Proves that the example trains as it did, and loses nothing: the loss curves of `recipe --quick` equal the stored ones within 1e-4, and a
// run that is killed and resumed has the very numbers of one that was not. Needs a build first.
//   node scripts/bootstrap.mjs --build node scripts/check-recipe.mjs [--write]    --write stores the curves instead
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stored = join(root, "examples/emoji-recipe/assets/quick-curves.json");
const EVERY = 10; // steps between two stored points
const KILLED = "dpt-sft-dft"; // this run, in its last stage but one, after as many steps
const KILLED_IN = "dpt-sft";
const KILLED_AT = 25;

const folderOf = (name) => join(root, "runs", name, "seed-1");
/** Rows of a run; the last line of one that is going on may be half a line. */
const rowsOf = (name, run) => {
  const file = join(folderOf(name), run, "metrics.jsonl");
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
  return lines.map((line) => JSON.parse(line));
};
/** Step, loss, terms, norms and evaluations of every step: all that does not depend on the machine's speed. */
const numbers = (name, run) =>
  rowsOf(name, run).map((row) => Object.entries(row).filter(([key]) => !/^(_timestamp|perf)/.test(key)));

/** Runs the recipe in a process group of its own; `watch` is called four times a second and may kill it. */
function recipe(name, options, watch = () => {}) {
  const args = ["examples/emoji-recipe/dist/recipe.js", "--quick", "--no-blas", "--name", name, ...options];
  const child = spawn(process.execPath, args, { cwd: root, detached: true, stdio: ["ignore", "ignore", "inherit"] });
  const timer = setInterval(() => watch(() => process.kill(-child.pid, "SIGKILL")), 250);
  return new Promise((resolve) => {
    child.on("exit", (code) => {
      clearInterval(timer);
      resolve(code);
    });
  });
}

function fail(text) {
  console.error(`check-recipe: ${text}`);
  process.exit(1);
}

const [straight, killed] = ["check-straight", "check-killed"];
for (const name of [straight, killed]) rmSync(join(root, "runs", name), { recursive: true, force: true });
if ((await recipe(straight, [])) !== 0) fail("the recipe failed");
const runs = readdirSync(folderOf(straight)).filter((run) => rowsOf(straight, run).length > 0);
const curves = {}; // by stage: chains that share one have the same
for (const { stage, stage_step: step, "train/loss": loss } of runs.flatMap((run) => rowsOf(straight, run)))
  if (step % EVERY === 0) {
    curves[stage] ??= [];
    curves[stage][step / EVERY - 1] = loss;
  }
if (process.argv.includes("--write")) {
  writeFileSync(stored, `${JSON.stringify(curves)}\n`);
  console.log(`check-recipe: wrote ${Object.keys(curves).length} curves`);
  process.exit(0);
}
const wanted = JSON.parse(readFileSync(stored, "utf8"));
for (const [stage, losses] of Object.entries(wanted))
  for (const [i, loss] of losses.entries()) {
    const got = curves[stage]?.[i];
    if (!(Math.abs(got - loss) <= 1e-4 * Math.max(1, loss)))
      fail(`${stage}, step ${(i + 1) * EVERY}: expected loss ${loss}, got ${got}`);
  }

let signals = 0;
await recipe(killed, [], (kill) => {
  if (signals > 0 || rowsOf(killed, KILLED).filter(({ stage }) => stage === KILLED_IN).length < KILLED_AT) return;
  signals++;
  kill();
});
if (signals === 0) fail("the run ended before it could be killed");
if ((await recipe(killed, ["--resume"])) !== 0) fail("the resumed recipe failed");
for (const run of runs)
  if (JSON.stringify(numbers(killed, run)) !== JSON.stringify(numbers(straight, run)))
    fail(`${run}: the resumed run's numbers differ from the straight run's`);
for (const name of [straight, killed]) rmSync(join(root, "runs", name), { recursive: true, force: true });
console.log(
  `check-recipe: ${Object.keys(wanted).length} curves as stored, and a killed run resumed to the same numbers`,
);
