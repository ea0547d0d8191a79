import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { env, engine as tfEngine } from "@tensorflow/tfjs-core";
import { sharedWasmPaths, withoutNewListeners, withSharedMemory } from "#node";
import { attachKernels } from "../kernels/attach-kernels.ts";
import { start } from "./start-engine.ts";
import { repairWasmKernels } from "./wasm-kernels.ts";

/** Starts tfjs's wasm engine with the fused kernels, on Node on a heap that threads can share. */
export async function startWasm(): Promise<object> {
  if (tfEngine().registry.wasm === undefined) {
    env().set("WASM_HAS_MULTITHREAD_SUPPORT", false); // tfjs's threads are not ours
    const paths = (await env().getAsync("WASM_HAS_SIMD_SUPPORT")) ? sharedWasmPaths() : undefined;
    if (paths !== undefined) setWasmPaths(paths.files as never, true);
    try {
      await withoutNewListeners(() => start("wasm"));
    } finally {
      paths?.release();
    }
  } else await start("wasm");
  repairWasmKernels();
  const { backend } = tfEngine();
  await attachKernels(backend, withSharedMemory); // guards the heap, too; a wasm engine without the kernels counts as not started
  return backend;
}
