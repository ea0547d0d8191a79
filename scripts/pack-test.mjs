// Packs every public package and installs the tarballs with npm in empty projects: all of them, and one loss with no more than
// it needs. There every entry is imported in plain Node and one loss is checked by number.
// Needs a build first: node scripts/bootstrap.mjs --build node scripts/pack-test.mjs
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { emptyProject, packAll } from "./pack.mjs";

const work = mkdtempSync(join(tmpdir(), "kd-pack-"));

/** An empty project with these packages alone, in which the script runs. */
function tryOut(name, packages, script) {
  const project = emptyProject(join(work, name), packages, ["@tensorflow/tfjs-core@4.22.0"]);
  const imports = packages.flatMap(({ entries }) => entries);
  writeFileSync(
    join(project, "check.mjs"),
    `for (const entry of ${JSON.stringify(imports)}) {
  const count = Object.keys(await import(entry)).length;
  if (count === 0) throw new Error(entry + " exports nothing");
  console.log(entry + ": " + count + " exports");
}
${script}`,
  );
  execFileSync(process.execPath, ["check.mjs"], { cwd: project, stdio: ["ignore", "inherit", "inherit"] });
  console.log(`pack-test: ${name}: ${packages.length} packages installed, ${imports.length} entries imported`);
}

/** A package and the siblings it depends on. */
function withSiblings(all, name, found = new Set()) {
  const one = all.find(({ manifest }) => manifest.name === name);
  if (one === undefined || found.has(one)) return found;
  found.add(one);
  for (const dependency of Object.keys(one.manifest.dependencies ?? {})) withSiblings(all, dependency, found);
  return found;
}

// KL([3/4, 1/4] ‖ [1/2, 1/2]) = 3/4·ln(3/2) + 1/4·ln(1/2)
const lossByNumber = `
const { useBackend, tensor } = await import("@kd/tensor-core");
const { forwardKl } = await import("@kd/losses-mdist");
await useBackend({ engine: "wasm", blas: false });
const kl = forwardKl({ student: tensor([0, 0], [1, 2]), teacher: tensor([Math.log(3), 0], [1, 2]) });
const got = (await kl.data())[0];
const expected = 0.75 * Math.log(1.5) + 0.25 * Math.log(0.5);
if (!(Math.abs(got - expected) < 1e-6)) throw new Error("forwardKl: expected " + expected + ", got " + got);
console.log("forwardKl: " + got);
`;

try {
  const all = packAll(work);
  tryOut("all", all, lossByNumber);
  tryOut("one-loss", [...withSiblings(all, "@kd/losses-mdist")], lossByNumber);
} catch (error) {
  console.error(`pack-test: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
