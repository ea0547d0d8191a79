// Optional packages for tests and benches, in git-ignored folders beside the repository's own packages: a fresh clone does not get them.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const ours = join(root, "packages/tensor-core/node_modules/@tensorflow");

/** Something about this machine that the user can change: printed without a stack. */
export class SetupError extends Error {}

/** Prints a SetupError and ends; anything else is a bug and keeps its stack. */
export async function orExplain(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

/** Runs a command; what it printed is shown only when it fails. */
export function run(what, command, args, { cwd = root, env = process.env } = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd,
    env,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (error) throw new SetupError(`${what}: expected ${command} to run, got ${error.message}`);
  if (status !== 0) throw new SetupError(`${what}: ${command} ended with ${status}\n${stdout}${stderr}`.trimEnd());
  return stdout;
}

/** Whether a command exists and answers. */
export const answers = (command, args) => spawnSync(command, args, { stdio: "ignore" }).status === 0;

/**
 * A folder `.tools/<name>` with these packages ("name@version"), installed without their scripts. Packages of tfjs that tensor-core has are
 * links to its own: a second copy would register its kernels again.
 */
export function toolsFolder(name, packages) {
  const folder = join(root, ".tools", name);
  const stamp = join(folder, "installed");
  const wanted = packages.join(" ");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return folder;
  console.error(`set-up: fetching ${wanted}`);
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, "node_modules"), { recursive: true, force: true });
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  const quiet = ["--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--loglevel=error"];
  run("set-up", "npm", ["install", "--prefix", folder, ...quiet, ...packages], { cwd: folder });
  const theirs = join(folder, "node_modules/@tensorflow");
  for (const shared of existsSync(theirs) ? readdirSync(ours) : []) {
    const copy = join(theirs, shared);
    rmSync(copy, { recursive: true, force: true });
    symlinkSync(join(ours, shared), copy, "junction");
  }
  writeFileSync(stamp, wanted);
  return folder;
}
