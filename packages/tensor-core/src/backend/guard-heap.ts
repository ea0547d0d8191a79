import { KdError } from "@kd/contract";

/** What is used of Emscripten's module. */
export interface WasmHeap {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(address: number): void;
}

const guarded = new WeakSet<object>();
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/**
 * Makes the heap's malloc throw KD_MEMORY when it has no memory left. tfjs takes its 0 for an address: tensors then overwrite each other
 * at the bottom of the heap, and numbers are wrong without an error.
 */
export function guardHeap(wasm: WasmHeap): void {
  if (guarded.has(wasm)) return;
  wasm._free(wasm._malloc(8)); // Emscripten's first call replaces `_malloc` itself, and the guard with it
  const malloc = wasm._malloc;
  wasm._malloc = (bytes) => {
    // malloc counts in 32 bits, and with a sign where it asks for more heap: 4 GiB would wrap to a few bytes, and a block above 2 GiB
    // that ends beyond 4 GiB would lie over others
    const fits = bytes < 2 ** 31 || bytes + wasm.HEAPU8.length <= 2 ** 32 - 2 ** 16;
    const address = fits ? malloc(bytes) : 0;
    if (address !== 0 || bytes === 0) return address;
    throw new KdError(
      "KD_MEMORY",
      `wasm heap: expected ${mebibytes(bytes)} more, got none, the heap has grown to ${mebibytes(wasm.HEAPU8.length)} of at most 4096 MiB; ` +
        "use a smaller batch or chunkSize, dispose of tensors, or start another engine with useBackend",
    );
  };
  guarded.add(wasm);
}
