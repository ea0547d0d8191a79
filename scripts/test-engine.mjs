// The suites of tensor-core, losses, models and stages, goldens included, on an engine that a fresh clone does not have; sets it up first.
// On tensorflow those of the operations run again without our own kernels, as the package's own addon has none.
//   node scripts/bootstrap.mjs node scripts/test-engine.mjs tensorflow|webgpu [what vitest takes…]
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { setupTfjsNode } from "./setup-tfjs-node.mjs";
import { orExplain, root, SetupError, toolsFolder } from "./tools-folder.mjs";

const PROJECTS = ["tensor-core", "losses-mdist", "losses-rdist", "slm", "vision-encoder", "mllm", "stages"];
/** Files that another engine changes nothing in, and why; `npm test` runs them. */
const LEFT_OUT = {
  "**/use-backend.test.ts": "starts each engine itself, and expects tfjs-node and webgpu to be missing",
  "**/node/{native,webgpu}.test.ts": "stand-ins for tfjs-node and webgpu that do not start",
  "**/node/listeners.test.ts": "what starting wasm leaves in the process",
  "**/{guard-heap,wasm-kernels,webgpu-kernels}.test.ts": "the heap and the repaired kernels of one engine",
  "**/kernels/*.test.ts": "the fused kernels, which only wasm has",
  "**/gemm/*.test.ts": "the matrix product of the fused kernels",
  "**/readme.test.ts": "examples take the engine that useBackend() finds",
};
/** Runs of vitest: what they are called, what they take besides, and with which environment. */
const RUNS = {
  tensorflow: [
    ["our own kernels in it", [], {}],
    [
      "TensorFlow's operations alone",
      ["packages/tensor-core", "packages/losses-mdist", "models.golden"],
      { KD_TENSORFLOW_KERNELS: "off" },
    ],
  ],
  webgpu: [["as it is", [], {}]],
};
/** Lines that are printed once a file and say nothing. */
const NOISE = /^WARNING: All log messages before absl|port\.cc:\d+\] oneDNN custom operations are on/;
/** The device refused a command: what it was to compute is missing, whatever the tests saw. */
const REFUSED = /^validation:/;
const SWIFTSHADER = ["/usr/lib/chromium", "/usr/lib64/chromium-browser", "/opt/google/chrome"].map(
  (folder) => `${folder}/vk_swiftshader_icd.json`,
);

const environments = {
  tensorflow: () => ({ NODE_PATH: setupTfjsNode(), TF_CPP_MIN_LOG_LEVEL: "3" }),
  webgpu() {
    const folder = toolsFolder("webgpu", ["@tensorflow/tfjs-backend-webgpu@4.22.0", "webgpu@0.6.2"]);
    const NODE_PATH = `${folder}/node_modules`;
    const drivers = [{}, ...SWIFTSHADER.filter(existsSync).map((file) => ({ VK_DRIVER_FILES: file }))];
    const driver = drivers.find((env) => seesGpu({ ...process.env, NODE_PATH, ...env }));
    if (driver !== undefined) return { NODE_PATH, ...driver };
    throw new SetupError(
      "test:webgpu: expected a GPU that WebGPU can use, got none; install its Vulkan driver, or Chromium's in software (Debian: apt-get install --no-install-recommends chromium libvulkan1), or name a driver's .json by VK_DRIVER_FILES",
    );
  },
};

function seesGpu(env) {
  const script = `const { pathToFileURL } = require("node:url");
    import(pathToFileURL(require.resolve("webgpu")).href).then(async ({ create }) => {
      process.exit((await create([]).requestAdapter()) === null ? 1 : 0);
    });`;
  return spawnSync(process.execPath, ["-e", script], { env, stdio: "ignore" }).status === 0;
}

const [engine, ...more] = process.argv.slice(2);
if (!(engine in environments)) {
  console.error(`test-engine: expected tensorflow or webgpu, got ${engine}`);
  process.exit(2);
}
const extra = await orExplain(environments[engine]);
const choice = [
  ...PROJECTS.map((name) => `--project=@kd/${name}`),
  ...Object.keys(LEFT_OUT).map((files) => `--exclude=${files}`),
];
let [refused, failed] = [0, 0];

async function runTests([name, files, environment]) {
  console.log(`${engine}, ${name}:`);
  const env = { ...process.env, ...extra, ...environment, KD_TEST_ENGINES: engine };
  const tests = spawn("vitest", ["run", ...choice, ...(more.length > 0 ? more : files)], {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const [from, to] of [
    [tests.stdout, process.stdout],
    [tests.stderr, process.stderr],
  ])
    createInterface(from).on("line", (line) => {
      if (REFUSED.test(line)) refused++;
      if (!NOISE.test(line)) to.write(`${line}\n`);
    });
  const [status] = await once(tests, "close");
  if (status !== 0) failed++;
}

for (const run of RUNS[engine]) await runTests(run);
console.log(`Left out on ${engine}:`);
for (const [files, reason] of Object.entries(LEFT_OUT)) console.log(`  ${files}: ${reason}`);
if (refused > 0) console.error(`${refused} commands were refused by the device ("validation:" above)`);
process.exit(failed === 0 && refused === 0 ? 0 : 1);
