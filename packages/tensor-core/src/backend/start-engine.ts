import { KdError } from "@kd/contract";
import { env, ready, setBackend, engine as tfEngine } from "@tensorflow/tfjs-core";
import { loadTensorflow, loadWebgpu, withoutNewListeners } from "#node";
import { attachKernels } from "../kernels/binding.ts";
import { repairWasmKernels } from "./wasm-kernels.ts";
import { repairWebgpuKernels } from "./webgpu-kernels.ts";

/** Makes an engine that is registered with tfjs the current one. Throws KD_BACKEND when it does not start. */
async function start(name: string): Promise<object> {
  const started = await setBackend(name);
  if (!started)
    throw new KdError(
      "KD_BACKEND",
      `useBackend: expected engine "${name}" to start, got a failure that tfjs logged; choose another`,
    );
  await ready();
  return tfEngine().backend;
}

export async function startCpu(): Promise<object> {
  const backend = await start("cpu");
  // tfjs greets on the first tensor with an advertisement for tfjs-node; the field is private in its types
  (backend as { firstUse: boolean }).firstUse = false;
  return backend;
}

export async function startWasm(): Promise<object> {
  // the fused kernels need a heap that is not shared; in a browser with cross-origin isolation tfjs would share it
  if (tfEngine().registry.wasm === undefined) env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  const backend = await withoutNewListeners(() => start("wasm"));
  repairWasmKernels();
  await attachKernels(backend); // guards the heap, too; a wasm engine without the kernels counts as not started
  return backend;
}

/** tfjs-node; for `gpuOnly` the GPU package on a machine where it sees one. */
export async function startTensorflow({ gpuOnly }: { gpuOnly: boolean }): Promise<object> {
  await loadTensorflow({ gpuOnly });
  const backend = await start("tensorflow");
  if (gpuOnly && !(backend as { isUsingGpuDevice?: boolean }).isUsingGpuDevice)
    throw new KdError("KD_BACKEND", 'useBackend: expected tfjs-node-gpu to see a GPU, got none; use "wasm"');
  return backend;
}

export async function startWebgpu(): Promise<object> {
  if (tfEngine().registryFactory.webgpu === undefined) await loadWebgpu();
  const backend = await start("webgpu");
  repairWebgpuKernels();
  return backend;
}
