import { KdError } from "@kd/contract";

/** What is used of Emscripten's module. */
export interface WasmHeap {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(address: number): void;
}

/** Bytes. */
export interface HeapUse {
  /** Allocated and not freed: tensors and scratch memory. */
  readonly inUse: number;
  /** The most that was ever in use at once. */
  readonly peak: number;
  /** What the heap has grown to; it never shrinks. */
  readonly grown: number;
  /** What it can grow to. */
  readonly limit: number;
}

/** 32-bit addresses, less the page that Emscripten leaves out. */
export const HEAP_LIMIT: number = 2 ** 32 - 2 ** 16;

const uses = new WeakMap<object, { inUse: number; peak: number }>();
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** How full a guarded heap is; undefined for one that {@link guardHeap} has not seen. */
export function heapUse(wasm: WasmHeap): HeapUse | undefined {
  const use = uses.get(wasm);
  return use && { ...use, grown: wasm.HEAPU8.length, limit: HEAP_LIMIT };
}

/**
 * Makes the heap's malloc throw KD_MEMORY when it has no memory left, and counts what is in use. tfjs takes malloc's 0 for an address:
 * tensors then overwrite each other at the bottom of the heap, and numbers are wrong without an error.
 */
export function guardHeap(wasm: WasmHeap): void {
  if (uses.has(wasm)) return;
  wasm._free(wasm._malloc(8)); // Emscripten's first calls replace the functions themselves, and the guard with them
  const [malloc, free] = [wasm._malloc, wasm._free];
  const use = { inUse: 0, peak: 0 };
  const sizes = new Map<number, number>();
  wasm._malloc = (bytes) => {
    // malloc counts in 32 bits, and with a sign where it asks for more heap: 4 GiB would wrap to a few bytes, and a block above 2 GiB
    // that ends beyond 4 GiB would lie over others
    const fits = bytes < 2 ** 31 || bytes + wasm.HEAPU8.length <= HEAP_LIMIT;
    const address = fits ? malloc(bytes) : 0;
    if (address === 0 && bytes !== 0) throw full(wasm, use.inUse, bytes);
    sizes.set(address >>> 0, bytes);
    use.inUse += bytes;
    use.peak = Math.max(use.peak, use.inUse);
    return address;
  };
  wasm._free = (address) => {
    use.inUse -= sizes.get(address >>> 0) ?? 0;
    sizes.delete(address >>> 0);
    free(address);
  };
  uses.set(wasm, use);
}

function full(wasm: WasmHeap, inUse: number, asked: number): KdError {
  const grown = wasm.HEAPU8.length;
  const end =
    inUse + asked > HEAP_LIMIT
      ? "its end is 4 GiB"
      : grown + asked > HEAP_LIMIT
        ? "its end is 4 GiB and what is free lies in pieces"
        : "the system gives no more";
  return new KdError(
    "KD_MEMORY",
    `wasm heap: expected ${mebibytes(asked)} more, got none: ${mebibytes(inUse)} are in use of ${mebibytes(grown)} it has grown to, and ${end}; ` +
      "use a smaller batch or chunkSize, gradientCheckpointing, frozen weights in bf16, dispose of tensors, or start another engine with useBackend",
  );
}
