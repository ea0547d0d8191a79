import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { useBackend } from "../index.ts";

// A stand-in for tfjs-node, which is not among this repository's dependencies: it registers an engine without kernels.
const folder = mkdtempSync(join(tmpdir(), "kd-native-"));
const start = process.cwd();
const core = createRequire(import.meta.url).resolve("@tensorflow/tfjs-core");

function install(name: string, { gpu }: { gpu: boolean }): string {
  const root = join(folder, "node_modules", name);
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, "package.json"), JSON.stringify({ name, main: "index.js" }));
  writeFileSync(
    join(root, "index.js"),
    `const tf = require(${JSON.stringify(core)});
     const backend = Object.assign(new tf.KernelBackend(), { isUsingGpuDevice: ${gpu} });
     tf.registerBackend("tensorflow", () => backend);`,
  );
  return root;
}
function build(root: string): void {
  mkdirSync(join(root, "lib", "napi-v8"), { recursive: true });
  writeFileSync(join(root, "lib", "napi-v8", "tfjs_binding.node"), "");
}

beforeAll(() => process.chdir(folder));
afterAll(() => {
  process.chdir(start);
  rmSync(folder, { recursive: true });
});

it("loads tfjs-node once its addon is built, and auto takes it only when it sees a GPU", async () => {
  const root = install("@tensorflow/tfjs-node-gpu", { gpu: false });
  await expect(useBackend({ engine: "tensorflow" })).rejects.toMatchObject({
    code: "KD_BACKEND",
    message: expect.stringContaining("addon built"),
  });
  build(root);
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
