import { engine, memory } from "@tensorflow/tfjs-core";
import { processMemory } from "#node";
import { fusedKernels } from "../kernels/fused-kernels.ts";
import { type HeapUse, heapUse, type WasmHeap } from "./guard-heap.ts";

/** Where memory is, in bytes; plain data. */
export interface MemoryReport {
  /** The engine in use, such as "wasm". */
  readonly engine: string;
  /** Tensors that are alive. */
  readonly tensors: number;
  /** Theirs as tfjs counts: clones, which share memory, count each, and 16-bit weights as float32. */
  readonly bytes: number;
  /** The wasm engine's heap; other engines have none. */
  readonly heap?: HeapUse;
  /** What the fused kernels hold for themselves; part of `heap.inUse`. 0 without them. */
  readonly scratch: number;
  /** What the engine holds on a GPU, where it says so. */
  readonly gpu?: number;
  /** The whole process: what is resident, and what the machine or its container has. Not in browsers. */
  readonly process?: { readonly resident: number; readonly limit: number };
}

/** Where memory is now; with a high-water mark on wasm (`heap.peak`). Costs no read of any tensor. */
export function memoryReport(): MemoryReport {
  const { backendName, registry } = engine();
  const backend = registry[backendName] as { readonly wasm?: WasmHeap } | undefined;
  const { numTensors, numBytes, ...more } = memory();
  const heap = backend?.wasm && heapUse(backend.wasm);
  const gpu = (more as { readonly numBytesInGPU?: number }).numBytesInGPU;
  const process = processMemory();
  return {
    engine: backendName ?? "none",
    tensors: numTensors,
    bytes: numBytes,
    ...(heap === undefined ? {} : { heap }),
    scratch: heap === undefined ? 0 : (fusedKernels()?.scratchBytes() ?? 0),
    ...(gpu === undefined ? {} : { gpu }),
    ...(process === undefined ? {} : { process }),
  };
}
