import { KdError } from "@kd/contract";
import { engine } from "@tensorflow/tfjs-core";
import { lookAtMachine, processMemory } from "#node";
import { adviceFor } from "./advice.ts";
import { HEAP_LIMIT } from "./guard-heap.ts";

/** Something that was looked at and not used. */
export interface Tried {
  /** An engine ("wasm"), a library ("libopenblas.so.0") or a part ("kernels"). */
  readonly name: string;
  readonly reason: string;
}

/** What really runs, as its start found it. */
export interface StartedBackend {
  /** "wasm", "cpu", "tensorflow" or "webgpu". */
  readonly engine: string;
  /** Who multiplies matrices in `linear`, `attention` and the losses. */
  readonly gemm: {
    /** "blas": a system library through koffi; "onnxruntime": the package onnxruntime-node; "wasm": the fused kernels' own; "engine": tfjs's matMul. */
    readonly provider: "blas" | "onnxruntime" | "wasm" | "engine";
    readonly library?: string;
    readonly version?: string;
  };
  /** Threads of the matrix product and, on wasm in Node, of the kernels. */
  readonly threads: number;
  /** Whether the wasm module uses SIMD; false on other engines. */
  readonly simd: boolean;
  /** Whether the fused kernels are attached. */
  readonly fused: boolean;
  readonly tried: readonly Tried[];
}

/** What really runs, not what was asked for, and a diagnosis: plain data. */
export interface BackendDescription extends StartedBackend {
  /** Bytes that tensors can take: the wasm heap's 4 GiB, or the memory of the machine or container. Absent where neither is known. */
  readonly memoryLimit?: number;
  /** The one thing that would make training faster on this machine; absent when there is none to give. */
  readonly advice?: string;
}

// Keyed by tfjs's live backend, of which a process has one at a time: tfjs keeps it in module state, so the description must follow it.
const descriptions = new WeakMap<object, BackendDescription>();

export function describe(backend: object, started: StartedBackend): BackendDescription {
  const memoryLimit = started.engine === "wasm" ? HEAP_LIMIT : processMemory()?.limit;
  const onGpu = started.engine === "webgpu" || (backend as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true;
  const advice = adviceFor({ ...started, onGpu, machine: lookAtMachine() });
  const description = {
    ...started,
    ...(memoryLimit === undefined ? {} : { memoryLimit }),
    ...(advice === undefined ? {} : { advice }),
  };
  descriptions.set(backend, description);
  return description;
}

/** The backend in use, as `useBackend` found it. Throws KD_BACKEND when `useBackend` has not started it. */
export function describeBackend(): BackendDescription {
  const { backendName, registry } = engine();
  const backend = registry[backendName];
  const description = backend === undefined ? undefined : descriptions.get(backend);
  if (description !== undefined) return description;
  throw new KdError(
    "KD_BACKEND",
    `describeBackend: expected a backend started by useBackend, got ${backendName ?? "none"}; await useBackend() first`,
  );
}
