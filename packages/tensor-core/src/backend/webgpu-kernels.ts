import { getKernel, type KernelFunc, registerKernel, type TensorInfo, unregisterKernel } from "@tensorflow/tfjs-core";

/** What is used of tfjs's WebGPUBackend, which is an optional package's. */
interface WebgpuStore {
  makeTensorInfo(shape: number[], dtype: string, values: Float32Array | Int32Array): TensorInfo;
}
interface KernelCall {
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly backend: WebgpuStore;
  readonly attrs: Readonly<Record<string, unknown>>;
}

const backendName = "webgpu";
const repaired = new WeakSet<object>();
const sizeOf = (shape: readonly number[]): number => shape.reduce((size, length) => size * length, 1);

/** Lets a kernel answer with zeros where it has nothing to add up: tfjs's asks the device for a buffer of no size, which it refuses. */
function zerosWhenEmpty(kernelName: string, shapeOf: (x: TensorInfo, attrs: KernelCall["attrs"]) => number[]): void {
  const stock = getKernel(kernelName, backendName);
  if (stock === undefined || repaired.has(stock.kernelFunc)) return;
  const kernelFunc = (call: KernelCall): TensorInfo | TensorInfo[] => {
    const x = call.inputs.x as TensorInfo;
    if (sizeOf(x.shape) > 0) return stock.kernelFunc(call as never);
    const [shape, dtype] = [shapeOf(x, call.attrs), x.dtype === "bool" ? "int32" : x.dtype];
    const size = sizeOf(shape);
    return call.backend.makeTensorInfo(shape, dtype, dtype === "int32" ? new Int32Array(size) : new Float32Array(size));
  };
  repaired.add(kernelFunc);
  unregisterKernel(kernelName, backendName);
  registerKernel({ ...stock, kernelFunc: kernelFunc as unknown as KernelFunc });
}

/** Repairs two stock kernels of the webgpu backend for empty tensors: a batch of text has no visual rows. Once a process. */
export function repairWebgpuKernels(): void {
  zerosWhenEmpty("Sum", ({ shape }, { axis, keepDims }) => {
    const axes = ([axis ?? shape.map((_, i) => i)].flat() as number[]).map((a) => (a + shape.length) % shape.length);
    return keepDims
      ? shape.map((length, i) => (axes.includes(i) ? 1 : length))
      : shape.filter((_, i) => !axes.includes(i));
  });
  zerosWhenEmpty("UnsortedSegmentSum", ({ shape }, { numSegments }) => [numSegments as number, ...shape.slice(1)]);
}
