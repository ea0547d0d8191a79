export { withoutNewListeners } from "./listeners.ts";
export { lookAtMachine, processMemory } from "./machine.ts";
export { loadTensorflow, tensorflowThreads } from "./native.ts";
export { gemmNames, openGemm, whyNoGemm } from "./open-gemm.ts";
export { withSharedMemory } from "./shared-memory.ts";
export { defaultThreads, startPool } from "./start-pool.ts";
export { sharedWasmPaths } from "./wasm-paths.ts";
export { loadWebgpu } from "./webgpu.ts";
