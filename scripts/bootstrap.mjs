// Set-up for a fresh clone: needs only Node >= 20.19 and npm. Safe to run again.
//   node scripts/bootstrap.mjs [--build] [command args…]   e.g. node scripts/bootstrap.mjs turbo run test
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const read = (file) => (existsSync(file) ? readFileSync(file, "utf8") : "");

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Node ${process.versions.node} is too old: install Node 20.19 or newer and run the command again.`);
  process.exit(1);
}

function run(command, args, { env = process.env, quiet = false } = {}) {
  const stdio = quiet ? ["inherit", "pipe", "pipe"] : "inherit";
  const result = spawnSync(command, args, { cwd: root, stdio, env, shell: process.platform === "win32" });
  if (result.error) throw result.error;
  if (result.status !== 0) {
    if (quiet) process.stderr.write(`${result.stdout}${result.stderr}`);
    process.exit(result.status ?? 1);
  }
}

const pin = JSON.parse(read(join(root, "package.json"))).packageManager; // "pnpm@x.y.z"
const tools = join(root, ".tools");
const installed = JSON.parse(read(join(tools, "node_modules/pnpm/package.json")) || "{}").version;
if (`pnpm@${installed}` !== pin) {
  console.error(`set-up: fetching ${pin}`);
  mkdirSync(tools, { recursive: true });
  writeFileSync(join(tools, "package.json"), '{"private":true}\n');
  run("npm", ["install", "--prefix", tools, "--no-save", "--no-audit", "--no-fund", "--loglevel=error", pin], {
    quiet: true,
  });
}
const bins = [join(tools, "node_modules/.bin"), join(root, "node_modules/.bin"), process.env.PATH];
const env = { ...process.env, TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", PATH: bins.join(delimiter) };

// Installs only when something that decides the result has changed.
const manifests = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "bench/package.json"].map((file) =>
  join(root, file),
);
for (const folder of ["packages", "examples"])
  for (const name of existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : [])
    manifests.push(join(root, folder, name, "package.json"));
const hash = createHash("sha256").update(`${process.version} ${process.platform} ${process.arch}`);
for (const manifest of manifests) hash.update(read(manifest));
const stamp = join(root, "node_modules/.kd-setup");
const wanted = hash.digest("hex");
if (read(stamp) !== wanted) {
  console.error("set-up: installing packages (about half a minute, once)");
  // CI=true: pnpm asks nothing, even when another user's store made the present node_modules.
  const quietly = { env: { ...env, CI: "true" }, quiet: true };
  run("pnpm", ["install", "--frozen-lockfile", "--prefer-offline", "--reporter=append-only"], quietly);
  writeFileSync(stamp, wanted);
}

const args = process.argv.slice(2);
if (args[0] === "--build") {
  args.shift();
  run("tsc", ["-b"], { env });
}
// The command keeps the terminal and its signals: Ctrl-C reaches it, and its exit code is ours.
if (args.length > 0) {
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});
  run(args[0], args.slice(1), { env });
}
