import type { KernelBackend } from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";
import { clone, engine, gather, grad, memory, mul, sum, type Tensor, tensor, tensor1d, useBackend } from "../index.ts";
import { fusedKernels } from "../kernels/fused-kernels.ts";

beforeAll(() => useBackend({ engine: "wasm", blas: false }));
const address = (t: Tensor): number | undefined => fusedKernels()?.address(t);

it.each([
  ["the original", 0],
  ["the clone", 1],
])("a clone shares memory, which is freed with the last of the two: %s first", (_, first) => {
  const held = (): number => (engine().backend as KernelBackend).numDataIds();
  const [before, heldBefore] = [memory(), held()];
  const pair = [tensor([1, 2, 3])];
  pair.push(clone(pair[0] as Tensor));
  expect(address(pair[0] as Tensor)).toBe(address(pair[1] as Tensor));
  expect(memory().numDataBuffers - before.numDataBuffers).toBe(1);
  pair[first]?.dispose();
  const other = pair[1 - first] as Tensor;
  expect(held() - heldBefore).toBe(1);
  expect([...other.dataSync()]).toEqual([1, 2, 3]);
  other.dispose();
  expect(held()).toBe(heldBefore);
  expect(memory()).toEqual(before); // tensors, buffers and numBytes, which tfjs counts a tensor
});

it("gather has a gradient, repeated rows add up", () => {
  const x = tensor([1, 2, 3, 4, 5, 6], [3, 2]);
  const rows = tensor1d([2, 0, 2], "int32");
  const dx = grad((t: Tensor) => sum(mul(gather(t, rows), tensor([1, 2, 3, 4, 5, 6], [3, 2]))))(x);
  expect([...dx.dataSync()]).toEqual([3, 4, 0, 0, 6, 8]);
});
