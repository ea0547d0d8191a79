// Who may import whom: manifests, sources and tsconfig references against the one table below. Exits 1 naming each file.
//   node scripts/check-packages.mjs [--self-test]
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const allowed = {
  contract: [],
  safetensors: ["contract"],
  "tensor-core": ["contract"],
  "vision-encoder": ["tensor-core", "safetensors", "contract"],
  slm: ["tensor-core", "safetensors", "contract"],
  "disk-cache": ["safetensors", "contract"],
  mllm: ["vision-encoder", "slm", "tensor-core", "safetensors", "disk-cache", "contract"],
  "onnx-export": ["mllm", "vision-encoder", "slm", "safetensors", "contract"],
  "losses-mdist": ["tensor-core", "contract"],
  "losses-rdist": ["tensor-core", "contract"],
  stages: ["tensor-core", "safetensors", "disk-cache", "losses-mdist", "losses-rdist", "contract"],
  data: ["contract"],
  runs: ["safetensors", "contract"],
};
allowed.cli = Object.keys(allowed); // anything: it is what people start, not what they build on
const fields = ["name", "version", "description", "license", "type", "repository", "engines", "exports", "files"];

const importsOf = (text) =>
  [...text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)["']([@#.\w][^"'\s]*)["']/g)].map((match) => match[1]);
const packageOf = (specifier) =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
/** Packages that these imports need: not files, not Node, not the manifest's own `imports` (`#node`), not itself. */
const foreign = (specifiers, { name, imports = {} }) =>
  specifiers
    .filter((specifier) => !specifier.startsWith(".") && !specifier.startsWith("node:") && !(specifier in imports))
    .map(packageOf)
    .filter((wanted) => wanted !== name);

function cycleIn(graph, from, path = []) {
  if (path.includes(from)) return [...path.slice(path.indexOf(from)), from];
  for (const next of graph[from] ?? []) {
    const cycle = cycleIn(graph, next, [...path, from]);
    if (cycle) return cycle;
  }
  return undefined;
}

function sourcesUnder(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !/kernels[/\\]assembly/.test(file))
    .map((file) => join(folder, file));
}

/** One room: its manifest, what its sources import, its tsconfig references. Gives back the @kd packages it depends on. */
function check(kind, name, problems) {
  const folder = join(root, kind, name);
  const shared = kind === "packages"; // published; an example and bench are private and may depend on anything
  const say = (file, text) => problems.push(`${relative(root, join(folder, file))}: ${text}`);
  for (const file of shared
    ? ["README.md", "LICENSE", "package.json", "tsconfig.json"]
    : ["package.json", "tsconfig.json"])
    if (!existsSync(join(folder, file))) say(file, "is missing");
  if (!existsSync(join(folder, "package.json")) || !existsSync(join(folder, "tsconfig.json"))) return [];
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const expected = { packages: `@kd/${name}`, examples: `@kd-example/${name}`, ".": `kd-${name}` }[kind];
  if (manifest.name !== expected) say("package.json", `name is "${manifest.name}", expected "${expected}"`);
  if (!shared && manifest.private !== true) say("package.json", "must be private: only packages/ is published");
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  const siblings = declared
    .filter((dependency) => dependency.startsWith("@kd/"))
    .map((dependency) => dependency.slice(4));
  if (shared) {
    for (const field of fields) if (manifest[field] === undefined) say("package.json", `field "${field}" is missing`);
    const may = allowed[name];
    if (!may) say("package.json", "this package is not in the import table of scripts/check-packages.mjs");
    for (const sibling of siblings)
      if (!may?.includes(sibling)) say("package.json", `may not depend on @kd/${sibling}`);
    for (const dependency of declared)
      if (dependency.startsWith("@tensorflow/") && name !== "tensor-core" && name !== "cli")
        say("package.json", "only tensor-core may know tfjs (cli carries its peer)");
  }
  for (const file of sourcesUnder(join(folder, "src")))
    for (const wanted of foreign(importsOf(readFileSync(file, "utf8")), manifest))
      if (!declared.includes(wanted))
        say(relative(folder, file), `imports ${wanted}, which package.json does not declare`);
  const references = JSON.parse(readFileSync(join(folder, "tsconfig.json"), "utf8")).references ?? [];
  const up = { packages: "../", examples: "../../packages/", ".": "../packages/" }[kind];
  const referred = references.map(({ path }) => (path.startsWith(up) ? path.slice(up.length) : path));
  for (const sibling of siblings)
    if (!referred.includes(sibling)) say("tsconfig.json", `no reference to ${up}${sibling}`);
  for (const other of shared ? referred : [])
    if (!siblings.includes(other)) say("tsconfig.json", `reference to undeclared ${up}${other}`);
  return siblings;
}

if (process.argv.includes("--self-test")) {
  const text =
    'import type { A } from "@kd/a/node";\nimport "b";\nawait import("c/d");\nimport "#node";\nimport "@kd/me/x";';
  const found = foreign(importsOf(text), { name: "@kd/me", imports: { "#node": {} } });
  const undeclared = foreign(["#other", "./a.ts", "node:fs"], { name: "@kd/me" });
  const cycle = cycleIn({ a: ["b"], b: ["c"], c: ["b"] }, "a");
  const acyclic = cycleIn({ a: ["b"], b: [] }, "a") === undefined;
  const ok = found.join() === "@kd/a,b,c" && undeclared.join() === "#other" && cycle?.join() === "b,c,b" && acyclic;
  console.log(ok ? "check-packages: self-test passed" : `check-packages: self-test FAILED: ${found} ${cycle}`);
  process.exit(ok ? 0 : 1);
}

const problems = [];
const graph = {};
for (const name of readdirSync(join(root, "packages"))) graph[name] = check("packages", name, problems);
const examples = readdirSync(join(root, "examples"));
for (const name of examples) check("examples", name, problems);
check(".", "bench", problems);
for (const name of Object.keys(graph)) {
  const cycle = cycleIn(graph, name);
  if (cycle) problems.push(`packages/${name}/package.json: cycle ${cycle.join(" -> ")}`);
}
for (const problem of problems) console.error(problem);
console.log(
  `check-packages: ${Object.keys(graph).length} packages, ${examples.length} examples, bench, ${problems.length} problems`,
);
if (problems.length > 0) process.exit(1);
