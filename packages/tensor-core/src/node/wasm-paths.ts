import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { withSharedMemory } from "./shared-memory.ts";

/** Where tfjs is to fetch its wasm files from, for its `setWasmPaths`, and what to call when it has. */
export interface WasmPaths {
  readonly files: Readonly<Record<string, string>>;
  release(): void;
}

const SIMD = "tfjs-backend-wasm-simd.wasm";
const NAMES = ["tfjs-backend-wasm.wasm", SIMD, "tfjs-backend-wasm-threaded-simd.wasm"];

/** tfjs's single-threaded SIMD module on a memory that other threads may read and write; undefined when that cannot be had. */
export function sharedWasmPaths(): WasmPaths | undefined {
  const folder = dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"));
  const module = withSharedMemory(readFileSync(join(folder, SIMD)));
  if (module === undefined) return undefined;
  const url = URL.createObjectURL(new Blob([module], { type: "application/wasm" }));
  return { files: Object.fromEntries(NAMES.map((name) => [name, url])), release: () => URL.revokeObjectURL(url) };
}
