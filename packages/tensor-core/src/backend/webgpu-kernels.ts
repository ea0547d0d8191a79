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
type ShapeOf = (inputs: Readonly<Record<string, { readonly shape: number[] }>>, attrs: KernelCall["attrs"]) => number[];

const backendName = "webgpu";
const repaired = new WeakSet<object>();
const sizeOf = (shape: readonly number[]): number => shape.reduce((size, length) => size * length, 1);

/** Kernels that add up what an input holds, the input, and the result's shape. */
const ADDING: Readonly<Record<string, readonly [input: string, shapeOf: ShapeOf]>> = {
  Sum: [
    "x",
    ({ x: { shape } = { shape: [] } }, { axis, keepDims }) => {
      const axes = ([axis ?? shape.map((_, i) => i)].flat() as number[]).map((a) => (a + shape.length) % shape.length);
      const kept = shape.map((length, i) => (axes.includes(i) ? 1 : length));
      return keepDims ? kept : kept.filter((_, i) => !axes.includes(i));
    },
  ],
  BatchMatMul: [
    "a",
    ({ a: { shape: a } = { shape: [] }, b: { shape: b } = { shape: [] } }, { transposeA, transposeB }) => [
      ...(a.length > b.length ? a : b).slice(0, -2),
      a.at(transposeA ? -1 : -2) as number,
      b.at(transposeB ? -2 : -1) as number,
    ],
  ],
  ScatterNd: ["updates", (_, { shape }) => shape as number[]],
  UnsortedSegmentSum: ["x", ({ x }, { numSegments }) => [numSegments as number, ...(x?.shape.slice(1) ?? [])]],
};

/**
 * Lets the kernels that add things up answer with zeros where there are none: a batch of text has no visual rows. tfjs's ask the device for
 * a buffer of no size; it refuses, and everything sent to it with that command is lost without an error. Once a process.
 */
export function repairWebgpuKernels(): void {
  for (const [kernelName, [input, shapeOf]] of Object.entries(ADDING)) {
    const stock = getKernel(kernelName, backendName);
    if (stock === undefined || repaired.has(stock.kernelFunc)) continue;
    const kernelFunc = (call: KernelCall): TensorInfo | TensorInfo[] => {
      const x = call.inputs[input] as TensorInfo;
      if (sizeOf(x.shape) > 0) return stock.kernelFunc(call as never);
      const shape = shapeOf(call.inputs, call.attrs);
      const zeros = x.dtype === "float32" ? new Float32Array(sizeOf(shape)) : new Int32Array(sizeOf(shape));
      return call.backend.makeTensorInfo(shape, x.dtype === "float32" ? "float32" : "int32", zeros);
    };
    repaired.add(kernelFunc);
    unregisterKernel(kernelName, backendName);
    registerKernel({ ...stock, kernelFunc: kernelFunc as unknown as KernelFunc });
  }
}
