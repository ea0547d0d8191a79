// What a browser loads in place of `./index.ts`: nothing native, the same names.
import { KdError } from "@kd/contract";
import type * as node from "./index.ts";

const refuse = (what: string, wayOut: string): KdError =>
  new KdError("KD_BACKEND", `useBackend: expected Node for ${what}, got a browser; ${wayOut}`);

export const withoutNewListeners: typeof node.withoutNewListeners = (start) => start();

export const gemmNames: typeof node.gemmNames = () => [];

export const whyNoGemm: typeof node.whyNoGemm = (name) => refuse(`blas "${name}"`, "leave blas out").message;

export const sharedWasmPaths: typeof node.sharedWasmPaths = () => undefined; // tfjs finds its files itself

export const withSharedMemory: typeof node.withSharedMemory = () => undefined;

export const defaultThreads: typeof node.defaultThreads = () => 1;

export const startPool: typeof node.startPool = async () => {
  throw refuse("threads", "leave threads out");
};

export const openGemm: typeof node.openGemm = (name) => {
  throw refuse(`blas "${name}"`, "leave blas out");
};

export const loadTensorflow: typeof node.loadTensorflow = async () => {
  throw refuse('engine "tensorflow"', 'use "wasm" or "webgpu"');
};

export const tensorflowThreads: typeof node.tensorflowThreads = () => undefined;

export const loadWebgpu: typeof node.loadWebgpu = async () => {
  throw refuse('loading engine "webgpu"', 'import "@tensorflow/tfjs-backend-webgpu" before, or use "wasm"');
};

export const processMemory: typeof node.processMemory = () => undefined;

export const lookAtMachine: typeof node.lookAtMachine = () => {
  const { navigator } = globalThis as { navigator?: { gpu?: unknown } };
  return {
    platform: "browser",
    threads: defaultThreads(),
    gpu: navigator?.gpu !== undefined,
    koffi: false,
    apt: false,
  };
};
