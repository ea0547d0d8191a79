import { KdError } from "@kd/contract";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { env, registerBackend, removeBackend, engine as tfEngine } from "@tensorflow/tfjs-core";
import { wasmPaths, withoutNewListeners, withSharedMemory } from "#node";
import { attachKernels, kernelHost } from "../kernels/binding.ts";
import { start } from "./start-engine.ts";
import { repairWasmKernels } from "./wasm-kernels.ts";

/**
 * Starts tfjs's wasm engine with the fused kernels, on Node on a heap that threads can share unless `ownHeap`. An engine that runs on the
 * other kind of heap is started again if it holds no tensor; KD_BACKEND otherwise.
 */
export async function startWasm({ ownHeap }: { readonly ownHeap: boolean }): Promise<object> {
  const { registry } = tfEngine();
  const running = registry.wasm === undefined ? undefined : kernelHost(registry.wasm);
  if (running !== undefined && ownHeap && running.memory.buffer instanceof SharedArrayBuffer)
    forget(registry.wasm as never);
  if (registry.wasm === undefined) {
    env().set("WASM_HAS_MULTITHREAD_SUPPORT", false); // tfjs's threads are not ours
    const simd = Boolean(await env().getAsync("WASM_HAS_SIMD_SUPPORT"));
    const paths = wasmPaths({ shared: simd && !ownHeap });
    if (paths !== undefined) setWasmPaths(paths.files as never, paths.fetched);
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

/** Takes a running engine away, so that the next start makes another. */
function forget(backend: { numDataIds(): number }): void {
  if (backend.numDataIds() > 0)
    throw new KdError(
      "KD_BACKEND",
      `useBackend: expected to start "wasm" again on a heap of its own, got ${backend.numDataIds()} tensors on the one in use; dispose of them, or ask for this backend first`,
    );
  kernelHost(backend)?.setPool(undefined);
  const { factory, priority } = tfEngine().registryFactory.wasm as { factory: () => never; priority: number };
  removeBackend("wasm");
  registerBackend("wasm", factory, priority);
}
