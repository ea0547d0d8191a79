import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getKernelsForBackend } from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeBackend, ones, sum, useBackend } from "../index.ts";

// Stand-ins for tfjs-node, which is not among this repository's dependencies: they register an engine without kernels.
const require = createRequire(import.meta.url);
const core = require.resolve("@tensorflow/tfjs-core");
const koffi = require.resolve(`@koromix/koffi-${process.platform}-${process.arch}`, {
  paths: [require.resolve("koffi")],
});
const someAddon = join(koffi, "..", `${process.platform}_${process.arch}`, "koffi.node"); // any that loads
const [GPU, CPU] = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"];
const start = process.cwd();
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "kd-native-"));
  process.chdir(folder);
  await useBackend({ engine: "cpu" });
});
afterEach(async () => {
  process.chdir(start);
  rmSync(folder, { recursive: true });
});

/** Installs one; its addon is the file made by `addon`, none by default. */
function install(name: string, { gpu = false, addon }: { gpu?: boolean; addon?: (path: string) => void } = {}): void {
  const root = join(folder, "node_modules", name);
  mkdirSync(join(root, "lib", "napi-v8"), { recursive: true });
  writeFileSync(join(root, "package.json"), JSON.stringify({ name, main: "index.js" }));
  writeFileSync(
    join(root, "index.js"),
    `const tf = require(${JSON.stringify(core)});
     const backend = Object.assign(new tf.KernelBackend(), { isUsingGpuDevice: ${gpu} });
     tf.registerKernel({ kernelName: "${name}", backendName: "tensorflow", kernelFunc() {} });
     tf.registerBackend("tensorflow", () => backend);`,
  );
  addon?.(join(root, "lib", "napi-v8", "tfjs_binding.node"));
}
const whole = (path: string): void => copyFileSync(someAddon, path);
const changed = (change: (bytes: Buffer) => void) => (path: string) => {
  const bytes = readFileSync(someAddon);
  change(bytes);
  writeFileSync(path, bytes);
};

async function expectFailure(text: RegExp): Promise<void> {
  const message = expect.stringMatching(text);
  await expect(useBackend({ engine: "tensorflow" })).rejects.toMatchObject({ code: "KD_BACKEND", message });
  expect(getKernelsForBackend("tensorflow")).toEqual([]); // nothing half loaded is left
  expect(describeBackend().engine).toBe("cpu");
  expect(await sum(ones([3])).data()).toEqual(Float32Array.of(3));
}

it("says of each package, in order, why it does not work", async () => {
  await expectFailure(/got: @tensorflow\/tfjs-node-gpu is not installed; @tensorflow\/tfjs-node is not installed/);
  install(GPU, {
    addon: (path) => writeFileSync(path, "not a library, and long enough to be read as the head of one".repeat(9)),
  });
  install(CPU);
  await expectFailure(
    /got: @tensorflow\/tfjs-node-gpu .*tfjs_binding\.node.*; @tensorflow\/tfjs-node has no addon built: no file/,
  );
});

it.runIf(process.platform === "linux")("says what a half installed addon lacks", async () => {
  const needed = (bytes: Buffer): void => void bytes.write("libq.so.6", bytes.indexOf("libc.so.6\0"), "latin1");
  install(CPU, { addon: changed(needed) });
  await expectFailure(/tfjs-node libq\.so\.6: cannot open shared object file/);
  const machine = (bytes: Buffer): void => void bytes.writeUInt16LE(243, 18); // RISC-V, in the ELF header
  install(CPU, { addon: changed(machine) });
  await expectFailure(/tfjs-node .*tfjs_binding\.node: /);
});

it("takes the package whose addon loads, and auto only one that sees a GPU", async () => {
  install(GPU, { addon: whole });
  const { engine, tried } = await useBackend({ blas: false });
  expect(engine).toBe("wasm");
  expect(tried).toEqual([{ name: "tensorflow", reason: expect.stringContaining("to see a GPU") }]);
  expect(await useBackend({ engine: "tensorflow" })).toEqual({
    engine: "tensorflow",
    gemm: { provider: "engine" },
    threads: 1,
    simd: false,
    fused: false,
    tried: [],
    memoryLimit: expect.any(Number),
    advice: expect.any(String),
  });
  await useBackend({ engine: "cpu" });
});
