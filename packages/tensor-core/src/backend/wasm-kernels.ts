import { getKernel, type KernelFunc, registerKernel, type TensorInfo, unregisterKernel } from "@tensorflow/tfjs-core";

/** What is used of tfjs's BackendWasm; its class does not export these. */
interface WasmStore {
  incRef(dataId: object): void;
  makeOutput(shape: readonly number[], dtype: string): TensorInfo;
  typedArrayFromHeap(tensor: TensorInfo): Float32Array | Int32Array | Uint8Array;
}
interface KernelCall {
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly backend: WasmStore;
  readonly attrs: Readonly<Record<string, number>>;
}

/** tfjs copies the data, and `clone`, `cast` and each saved tensor of a gradient call this: share it and count instead, as on cpu. */
function identity({ inputs, backend }: KernelCall): TensorInfo {
  const x = inputs.x as TensorInfo;
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
}

/** Missing in tfjs's wasm backend: the gradient of `gather`. Rows whose segment is negative or too large are dropped, as on cpu. */
function unsortedSegmentSum({ inputs, backend, attrs }: KernelCall): TensorInfo {
  const x = inputs.x as TensorInfo; // [N, ...]
  const segments = attrs.numSegments as number;
  const shape = [segments, ...x.shape.slice(1)];
  const output = backend.makeOutput(shape, x.dtype); // may grow the heap: views are taken after it
  const ids = backend.typedArrayFromHeap(inputs.segmentIds as TensorInfo);
  const from = backend.typedArrayFromHeap(x);
  const to = backend.typedArrayFromHeap(output).fill(0);
  const width = ids.length === 0 ? 0 : from.length / ids.length;
  for (const [row, id] of ids.entries()) {
    if (id < 0 || id >= segments) continue;
    for (let i = 0; i < width; i++) (to[id * width + i] as number) += from[row * width + i] as number;
  }
  return output;
}

/** Replaces one stock kernel of the wasm backend and adds one it lacks; once a process, whatever the number of calls. */
export function repairWasmKernels(): void {
  const backendName = "wasm";
  // KernelFunc's arguments are the untyped union of all kernels'
  const put = (kernelName: string, kernelFunc: (call: KernelCall) => TensorInfo): void =>
    registerKernel({ kernelName, backendName, kernelFunc: kernelFunc as unknown as KernelFunc });
  if (getKernel("UnsortedSegmentSum", backendName) === undefined) put("UnsortedSegmentSum", unsortedSegmentSum);
  if ((getKernel("Identity", backendName)?.kernelFunc as unknown) === identity) return;
  unregisterKernel("Identity", backendName);
  put("Identity", identity);
}
