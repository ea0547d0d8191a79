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
const KILLED_IN = "dpt-sft"; // the last stage but one, after as many steps
const KILLED_AT = 25;

const folderOf = (name) => join(root, "runs", name, "seed-1");
/** Step, loss, terms and gradient norm of every step of a stage: all that does not depend on the machine's speed. */
const rows = (name, stage) =>
  readFileSync(join(folderOf(name), stage, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => Object.entries(JSON.parse(line)).filter(([key]) => !/^(_timestamp|perf|stage)/.test(key)));

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
const stages = readdirSync(folderOf(straight)).filter((stage) =>
  existsSync(join(folderOf(straight), stage, "metrics.jsonl")),
);
const curves = Object.fromEntries(
  stages.map((stage) => [
    stage,
    rows(straight, stage)
      .map((row) => Object.fromEntries(row))
      .filter(({ _step }) => _step % EVERY === 0)
      .map((row) => row["train/loss"]),
  ]),
);
if (process.argv.includes("--write")) {
  writeFileSync(stored, `${JSON.stringify(curves)}\n`);
  console.log(`check-recipe: wrote ${stages.length} curves`);
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
  const file = join(folderOf(killed), KILLED_IN, "metrics.jsonl");
  if (signals > 0 || !existsSync(file) || readFileSync(file, "utf8").split("\n").length < KILLED_AT) return;
  signals++;
  kill();
});
if (signals === 0) fail("the run ended before it could be killed");
if ((await recipe(killed, ["--resume"])) !== 0) fail("the resumed recipe failed");
for (const stage of stages)
  if (JSON.stringify(rows(killed, stage)) !== JSON.stringify(rows(straight, stage)))
    fail(`${stage}: the resumed run's numbers differ from the straight run's`);
for (const name of [straight, killed]) rmSync(join(root, "runs", name), { recursive: true, force: true });
console.log(`check-recipe: ${stages.length} curves as stored, and a killed run resumed to the same numbers`);
