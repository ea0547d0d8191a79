import { getKernel, type KernelFunc, registerKernel, unregisterKernel } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { repairWebgpuKernels } from "./webgpu-kernels.ts";

// Stand-ins for the kernels of tfjs-backend-webgpu, which is not among this repository's dependencies.
const names = ["Sum", "BatchMatMul", "ScatterNd", "UnsortedSegmentSum"];
const backendName = "webgpu";
beforeAll(() => {
  for (const kernelName of names)
    registerKernel({ kernelName, backendName, kernelFunc: (() => "stock") as unknown as KernelFunc });
  repairWebgpuKernels();
  repairWebgpuKernels(); // the second time it has nothing to do
});
afterAll(() => {
  for (const kernelName of names) unregisterKernel(kernelName, backendName);
});

const made = { makeTensorInfo: (shape: number[], dtype: string, values: unknown) => ({ shape, dtype, values }) };
const call = (name: string, shapes: Record<string, number[]>, attrs: object): unknown => {
  const inputs = Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, { shape, dtype: "float32" }]));
  return getKernel(name, backendName)?.kernelFunc({ inputs, attrs, backend: made } as never);
};

it.each([
  ["Sum", { x: [0] }, {}, []],
  ["Sum", { x: [0, 3] }, { axis: [0] }, [3]],
  ["Sum", { x: [2, 0] }, { axis: -1, keepDims: true }, [2, 1]],
  ["BatchMatMul", { a: [1, 0, 3], b: [1, 0, 2] }, { transposeA: true, transposeB: false }, [1, 3, 2]],
  ["BatchMatMul", { a: [2, 0], b: [5, 0] }, { transposeA: false, transposeB: true }, [2, 5]],
  ["ScatterNd", { indices: [0, 1], updates: [0, 4] }, { shape: [5, 4] }, [5, 4]],
  ["UnsortedSegmentSum", { x: [0, 3], segmentIds: [0] }, { numSegments: 2 }, [2, 3]],
])("%s of empty %j gives zeros", (name, shapes, attrs, shape) => {
  const values = new Float32Array(shape.reduce((size, length) => size * length, 1));
  expect(call(name, shapes as unknown as Record<string, number[]>, attrs)).toEqual({ shape, dtype: "float32", values });
});

it("leaves everything else to the stock kernels", () => {
  expect(call("Sum", { x: [2] }, {})).toBe("stock");
  expect(call("ScatterNd", { indices: [1, 1], updates: [1, 4] }, { shape: [5, 4] })).toBe("stock");
});
