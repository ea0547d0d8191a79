import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { KERNEL_BYTES } from "../kernels/bytes.ts";
import { withSharedMemory } from "./shared-memory.ts";

const folder = dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"));

it("shares a memory of the module's own, and changes nothing but one byte", () => {
  const module = readFileSync(join(folder, "tfjs-backend-wasm-simd.wasm"));
  const shared = withSharedMemory(module) as Uint8Array<ArrayBuffer>;
  expect(shared.reduce((count, byte, i) => count + Number(byte !== module[i]), 0)).toBe(1);
  expect(WebAssembly.validate(shared)).toBe(true);
});

it("shares an imported memory", async () => {
  const bytes = Uint8Array.from(Buffer.from(KERNEL_BYTES, "base64"));
  const shared = await WebAssembly.compile(withSharedMemory(bytes) as Uint8Array<ArrayBuffer>);
  const env = { log: Math.log, gemm: () => {} };
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  await expect(WebAssembly.instantiate(shared, { env: { ...env, memory } })).resolves.toBeDefined();
  const own = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
  await expect(WebAssembly.instantiate(shared, { env: { ...env, memory: own } })).rejects.toThrow(/shared/);
});

it("gives up on a memory without a maximum and on a module without one", () => {
  const magic = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  expect(withSharedMemory(Uint8Array.of(...magic, 5, 3, 1, 0, 1))).toBeUndefined();
  expect(withSharedMemory(Uint8Array.of(...magic))).toBeUndefined();
});
