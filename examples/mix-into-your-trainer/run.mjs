// Packs @kd/*, installs the tarballs in an empty project as you would from the registry, and runs the three programs there.
//   node scripts/bootstrap.mjs --build node examples/mix-into-your-trainer/run.mjs [--quick]
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { emptyProject, packAll } from "../../scripts/pack.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const quick = process.argv.includes("--quick");
const work = mkdtempSync(join(tmpdir(), "kd-mix-"));
const PROGRAMS = ["minimize-loop.mjs", "layers-model.mjs", "own-models.mjs"];

try {
  const packages = packAll(work);
  const project = emptyProject(join(work, "project"), packages, [
    "@tensorflow/tfjs-core@4.22.0",
    "@tensorflow/tfjs-layers@4.22.0",
  ]);
  mkdirSync(join(project, "data"));
  const writer = join(here, "../emoji-recipe/dist/write-tables.js");
  const run = (file, args = []) =>
    execFileSync(process.execPath, [file, ...args], {
      cwd: project,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, ...(quick ? { STEPS: "20", EPOCHS: "1" } : {}) },
    });
  run(writer, [join(project, "data")]);
  for (const file of ["tables.mjs", ...PROGRAMS]) cpSync(join(here, file), join(project, file));
  if (quick) console.log("A quick taste: far too short to judge by.");
  for (const program of PROGRAMS) run(program);
} catch (error) {
  console.error(`mix-into-your-trainer: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
