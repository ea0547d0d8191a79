import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { withSharedMemory } from "./shared-memory.ts";

/** Where tfjs is to load its wasm files from: an argument list of its `setWasmPaths`, and what to call when it has. */
export interface WasmPaths {
  readonly files: Readonly<Record<string, string>>;
  /** Whether the addresses are for `fetch`. */
  readonly fetched: boolean;
  release(): void;
}

const SIMD = "tfjs-backend-wasm-simd.wasm";
const NAMES = ["tfjs-backend-wasm.wasm", SIMD, "tfjs-backend-wasm-threaded-simd.wasm"];

/**
 * tfjs's own files; with `shared` its single-threaded SIMD module on a memory that other threads may read and write, undefined when
 * that cannot be had. tfjs itself stays on one thread.
 */
export function wasmPaths({ shared }: { readonly shared: boolean }): WasmPaths | undefined {
  const folder = dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"));
  if (!shared)
    return {
      files: Object.fromEntries(NAMES.map((name) => [name, join(folder, name)])),
      fetched: false,
      release: () => {},
    };
  const module = withSharedMemory(readFileSync(join(folder, SIMD)));
  if (module === undefined) return undefined;
  const url = URL.createObjectURL(new Blob([module], { type: "application/wasm" }));
  return {
    files: Object.fromEntries(NAMES.map((name) => [name, url])),
    fetched: true,
    release: () => URL.revokeObjectURL(url),
  };
}
