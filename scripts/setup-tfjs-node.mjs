// Builds tfjs-node's addon against the libtensorflow inside TensorFlow's Python wheel, with our own kernels, in .tools/tfjs-node; safe to run again.
//   node scripts/setup-tfjs-node.mjs [--gpu]     --gpu: tfjs-node-gpu, which needs an NVIDIA driver, CUDA 12 and cuDNN 9 to use a GPU
import { createHash } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { answers, orExplain, root, run, SetupError, toolsFolder } from "./tools-folder.mjs";

const TENSORFLOW = "2.21.0";
const KINDS = {
  cpu: { name: "tfjs-node", wheel: "tensorflow-cpu" },
  gpu: { name: "tfjs-node-gpu", wheel: "tensorflow" },
};
const WHERE = "setup-tfjs-node";
const LIBRARIES = ["cc", "framework"].map((part) => `libtensorflow_${part}.so.2`);
const KERNELS = join(root, "scripts/tensorflow-kernels.cc");
const BUILT_WITH = createHash("sha256").update(readFileSync(KERNELS)).digest("hex"); // an addon with other kernels is built again

/** Sets it up where it is not; gives back the node_modules folder that NODE_PATH must name. */
export function setupTfjsNode(kind = "cpu") {
  const { name, wheel } = KINDS[kind];
  const folder = toolsFolder(name, [`@tensorflow/${name}@4.22.0`, "node-api-headers@1.5.0"]);
  const modules = join(folder, "node_modules");
  const home = join(modules, "@tensorflow", name);
  const addon = join(home, "lib/napi-v8/tfjs_binding.node"); // 8: the newest that the package knows
  const stamp = join(home, "lib/napi-v8/kernels");
  const whole = [stamp, addon, ...LIBRARIES.map((library) => join(home, "deps/lib", library))].every(existsSync);
  if (!whole || readFileSync(stamp, "utf8") !== BUILT_WITH) {
    const { compiler, python } = checkMachine();
    const tensorflow = fetchTensorflow(folder, wheel, python);
    buildAddon({ modules, name, addon, tensorflow, compiler });
    tryOut(modules, name);
    writeFileSync(stamp, BUILT_WITH);
  }
  return modules;
}

function checkMachine() {
  const [platform, arch] = [process.platform, process.arch];
  if (platform !== "linux" || arch !== "x64")
    throw new SetupError(
      `${WHERE}: expected Linux on x64, for which there is a wheel, got ${platform} on ${arch}; npm install @tensorflow/tfjs-node brings its own library elsewhere`,
    );
  const pick = (what, wanted, names, args, wayOut) => {
    const found = names.find((command) => command && answers(command, args));
    if (found !== undefined) return found;
    throw new SetupError(
      `${WHERE}: expected ${what}, got none of ${names.filter(Boolean).join(", ")}; ${wayOut} or set ${wanted}`,
    );
  };
  const { CXX, PYTHON } = process.env;
  const compiler = pick(
    "a C++ compiler",
    "CXX",
    [CXX, "g++", "clang++"],
    ["--version"],
    "install one (Debian: apt-get install g++)",
  );
  const pip = "install it (Debian: apt-get install python3-pip)";
  const python = pick("Python 3 with pip", "PYTHON", [PYTHON, "python3", "python"], ["-m", "pip", "--version"], pip);
  return { compiler, python };
}

/** The wheel's two libraries and C headers, as `<folder>/tensorflow`. The wheel stays until they are out, so that a broken run goes on there. */
function fetchTensorflow(folder, wheel, python) {
  const tensorflow = join(folder, "tensorflow");
  if (existsSync(tensorflow)) return tensorflow;
  const [downloads, unpacked] = [join(folder, "wheel"), join(folder, "unpacked")];
  const file = () =>
    existsSync(downloads) ? readdirSync(downloads).find((entry) => entry.endsWith(".whl")) : undefined;
  if (file() === undefined) {
    console.error(`set-up: fetching ${wheel} ${TENSORFLOW} (${wheel === "tensorflow" ? 570 : 270} MB, once)`);
    const platforms = ["manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"];
    const choice = ["--only-binary=:all:", "--python-version=3.11", ...platforms.flatMap((p) => ["--platform", p])];
    const target = join(folder, "fetching"); // renamed when whole
    run(WHERE, python, [
      "-m",
      "pip",
      "download",
      "-q",
      "--no-deps",
      ...choice,
      "-d",
      target,
      `${wheel}==${TENSORFLOW}`,
    ]);
    renameSync(target, downloads);
  }
  rmSync(unpacked, { recursive: true, force: true });
  run(WHERE, python, ["-c", UNPACK, join(downloads, file()), unpacked]);
  renameSync(join(unpacked, "tensorflow"), tensorflow);
  rmSync(downloads, { recursive: true });
  rmSync(unpacked, { recursive: true });
  return tensorflow;
}

const UNPACK = `
import re, sys, zipfile
wanted = re.compile(r"tensorflow/(libtensorflow_(cc|framework)\\.so\\.2$|include/(tensorflow/c/|(tensorflow/core|tsl|xla/tsl)/platform/ctstring|(xla/)?tsl/c/))")
wheel = zipfile.ZipFile(sys.argv[1])
wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if wanted.match(name)])
`;

/** Compiles the addon beside its libraries, under another name until it is whole. */
function buildAddon({ modules, name, addon, tensorflow, compiler }) {
  console.error(`set-up: building the addon of ${name} with ${compiler}`);
  const home = join(modules, "@tensorflow", name);
  const lib = join(home, "deps/lib");
  rmSync(lib, { recursive: true, force: true });
  for (const path of [lib, join(home, "lib/napi-v8")]) mkdirSync(path, { recursive: true });
  for (const [i, library] of LIBRARIES.entries()) {
    linkSync(join(tensorflow, library), join(lib, library)); // under this very name: the libraries look for each other by it
    symlinkSync(library, join(lib, ["libtensorflow.so", "libtensorflow_framework.so"][i]));
  }
  const includes = [join(tensorflow, "include"), join(modules, "node-api-headers/include")].flatMap((path) => [
    "-I",
    path,
  ]);
  const sources = ["tfjs_backend.cc", "tfjs_binding.cc"].map((source) => join(home, "binding", source));
  const shared = ["-fPIC", "-std=c++17", ...includes];
  const flags = ["-shared", "-O2", "-DNAPI_VERSION=8", ...shared];
  const links = ["-L", lib, "-ltensorflow", "-ltensorflow_framework", "-Wl,-rpath,$ORIGIN/../../deps/lib"];
  // for this very machine, which is the one that runs it; on another without its instructions the kernels leave themselves out
  const fast = ["-O3", "-march=native", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math"];
  const kernels = `${addon}.kernels.o`;
  run(WHERE, compiler, ["-c", ...fast, ...shared, KERNELS, "-o", kernels]);
  run(WHERE, compiler, [...flags, ...sources, kernels, ...links, "-pthread", "-o", `${addon}.part`]);
  rmSync(kernels);
  renameSync(`${addon}.part`, addon);
}

/** One product, in a process of its own: the addon may not load. */
function tryOut(modules, name) {
  const script = `const util = require("node:util"); util.isNullOrUndefined ??= (value) => value == null; util.isArray ??= Array.isArray;
    const tf = require("@tensorflow/${name}"); const [x] = tf.matMul([[1, 2]], [[3], [4]]).dataSync();
    if (x !== 11) throw new Error("1·3 + 2·4 = " + x); console.log("TensorFlow " + tf.backend().binding.TF_Version)`;
  const env = { ...process.env, NODE_PATH: modules, TF_CPP_MIN_LOG_LEVEL: "3" };
  try {
    console.error(`set-up: ${name} runs ${run(WHERE, process.execPath, ["-e", script], { env }).trim()}`);
  } catch (error) {
    rmSync(join(modules, "@tensorflow", name, "lib/napi-v8"), { recursive: true }); // the next run builds again
    throw error;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [flag, ...more] = process.argv.slice(2);
  if ((flag !== undefined && flag !== "--gpu") || more.length > 0) {
    console.error(`${WHERE}: expected [--gpu], got ${process.argv.slice(2).join(" ")}`);
    process.exit(2);
  }
  const modules = await orExplain(() => setupTfjsNode(flag === "--gpu" ? "gpu" : "cpu"));
  const shown = modules.startsWith(root) ? modules.slice(root.length + 1) : modules;
  console.log(`${WHERE}: ready; programs in this repository find it with NODE_PATH="$PWD/${shown}"`);
}
