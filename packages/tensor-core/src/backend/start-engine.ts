import { KdError } from "@kd/contract";
import { ready, setBackend, engine as tfEngine } from "@tensorflow/tfjs-core";
import { loadTensorflow, loadWebgpu } from "#node";
import { repairWebgpuKernels } from "./webgpu-kernels.ts";

/** Makes an engine that is registered with tfjs the current one. Throws KD_BACKEND when it does not start. */
export async function start(name: string): Promise<object> {
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

/** How {@link startTensorflow} starts. */
export interface StartTensorflow {
  /** Only the GPU package, and only where it sees a GPU. */
  readonly gpuOnly: boolean;
  readonly threads?: number | undefined;
}

/** tfjs-node; its threads are TensorFlow's own choice by default. */
export async function startTensorflow({ gpuOnly, threads }: StartTensorflow): Promise<object> {
  await loadTensorflow({ gpuOnly, threads });
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
