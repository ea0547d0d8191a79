export { withoutNewListeners } from "./listeners.ts";
export { lookAtMachine, processMemory } from "./machine.ts";
export { loadTensorflow } from "./native.ts";
export { gemmNames, openGemm } from "./open-gemm.ts";
export { loadWebgpu } from "./webgpu.ts";
