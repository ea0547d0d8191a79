import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeBackend, ones, sum, useBackend } from "../index.ts";

// Stand-ins for webgpu and tfjs-backend-webgpu, which are not among this repository's dependencies.
const backend = { "@tensorflow/tfjs-backend-webgpu": "throw new Error('must not be imported')" };
const blind =
  "export const globals = { GPUBufferUsage: {} }; export const create = () => ({ requestAdapter: async () => null });";
const start = process.cwd();
const folders: string[] = [];

/** Goes to a new folder with these packages: Node remembers what it did not find in the one before. */
function goWhere(packages: Readonly<Record<string, string>>): void {
  const folder = mkdtempSync(join(tmpdir(), "kd-webgpu-"));
  folders.push(folder);
  for (const [name, code] of Object.entries(packages)) {
    const root = join(folder, "node_modules", name);
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, "package.json"), JSON.stringify({ name, main: "index.mjs" }));
    writeFileSync(join(root, "index.mjs"), code);
  }
  process.chdir(folder);
}

beforeAll(async () => {
  await useBackend({ engine: "cpu" });
});
afterAll(() => {
  process.chdir(start);
  for (const folder of folders) rmSync(folder, { recursive: true });
});

async function expectFailure(text: RegExp): Promise<void> {
  const message = expect.stringMatching(text);
  await expect(useBackend({ engine: "webgpu" })).rejects.toMatchObject({ code: "KD_BACKEND", message });
  const { navigator, GPUBufferUsage } = globalThis as { navigator?: { gpu?: unknown }; GPUBufferUsage?: unknown };
  expect([navigator?.gpu, GPUBufferUsage]).toEqual([undefined, undefined]);
  expect(describeBackend().engine).toBe("cpu");
  expect(await sum(ones([3])).data()).toEqual(Float32Array.of(3));
}

it.each([
  ["tfjs's backend", {}, /expected the package @tensorflow\/tfjs-backend-webgpu .* npm install/],
  ["Dawn", backend, /expected the package webgpu .* npm install/],
  ["a GPU", { ...backend, webgpu: blind }, /expected a GPU that WebGPU can use, got none .* Vulkan/],
])("says that %s is missing, and leaves no trace", async (_, packages, text) => {
  goWhere(packages);
  await expectFailure(text);
});
