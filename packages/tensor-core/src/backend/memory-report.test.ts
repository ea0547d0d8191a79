import { expect, it } from "vitest";
import { linear, memoryReport, ones, tidy, useBackend } from "../index.ts";
import { HEAP_LIMIT } from "./guard-heap.ts";

it("counts the wasm heap in use, its peak and what it has grown to", async () => {
  await useBackend({ engine: "wasm", blas: false });
  const before = memoryReport();
  expect(before).toMatchObject({ engine: "wasm", heap: { limit: HEAP_LIMIT }, scratch: expect.any(Number) });
  expect(before.scratch).toBeGreaterThan(2 ** 16);
  const inUse = (): number => memoryReport().heap?.inUse ?? 0;
  const mebibyte = ones([2 ** 18]);
  const held = memoryReport();
  expect(held.tensors - before.tensors).toBe(1);
  expect(held.bytes - before.bytes).toBe(2 ** 20);
  expect(inUse() - (before.heap?.inUse ?? 0)).toBe(2 ** 20);
  const copy = mebibyte.clone(); // shares memory
  expect(inUse() - (before.heap?.inUse ?? 0)).toBe(2 ** 20);
  for (const t of [mebibyte, copy]) t.dispose();
  const { heap } = memoryReport();
  expect(heap?.inUse).toBe(before.heap?.inUse);
  expect(heap?.peak).toBeGreaterThanOrEqual(held.heap?.inUse ?? Number.POSITIVE_INFINITY);
  expect(heap?.grown).toBeGreaterThanOrEqual(heap?.peak ?? Number.POSITIVE_INFINITY);
});

it("has the kernels' scratch memory in what is in use, and gives it back", async () => {
  await useBackend({ engine: "wasm", blas: false });
  const before = memoryReport();
  tidy(() => void linear(ones([300, 300]), ones([300, 300])));
  expect(memoryReport()).toMatchObject({ tensors: before.tensors, scratch: before.scratch });
  expect(memoryReport().heap?.inUse).toBe(before.heap?.inUse);
});

it("has the process on every engine, and no heap on cpu", async () => {
  await useBackend({ engine: "cpu" });
  const { engine, heap, scratch, process } = memoryReport();
  expect({ engine, heap, scratch }).toEqual({ engine: "cpu", heap: undefined, scratch: 0 });
  expect(process?.resident).toBeGreaterThan(2 ** 24);
  expect(process?.limit).toBeGreaterThan(process?.resident ?? Number.POSITIVE_INFINITY);
});
