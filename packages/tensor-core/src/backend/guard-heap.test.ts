import { beforeAll, expect, it } from "vitest";
import { engine, linear, memoryReport, ones, type Tensor, type Tensor2D, useBackend } from "../index.ts";
import { attachKernels } from "../kernels/attach-kernels.ts";
import { fusedKernels } from "../kernels/fused-kernels.ts";
import { withSharedMemory } from "../node/shared-memory.ts";
import { guardHeap } from "./guard-heap.ts";

beforeAll(() => useBackend({ engine: "wasm", blas: false }));

it("turns malloc's 0 into KD_MEMORY with the bytes and a way out, and passes addresses on", () => {
  let full = false;
  const heap = { HEAPU8: new Uint8Array(2 ** 20), _malloc: (_: number) => (full ? 0 : -16), _free: () => {} };
  guardHeap(heap);
  guardHeap(heap);
  expect(heap._malloc(8)).toBe(-16); // above 2 GiB Emscripten's addresses are signed
  full = true;
  expect(() => heap._malloc(3 * 2 ** 20)).toThrow(
    expect.objectContaining({ code: "KD_MEMORY", message: expect.stringMatching(/3\.0 MiB.*1\.0 MiB.*smaller batch/) }),
  );
  expect(() => heap._malloc(2 ** 32)).toThrow(/its end is 4 GiB;/);
  expect(() => heap._malloc(8)).toThrow(/the system gives no more/);
});

it("guards tensors, outputs and scratch of the real heap, which stays usable", () => {
  const kernels = fusedKernels();
  const memory = expect.objectContaining({ code: "KD_MEMORY" });
  expect(() => kernels?.output([2 ** 30])).toThrow(memory);
  expect(() => kernels?.withScratch(2 ** 32, () => 0)).toThrow(memory);
  expect(() => kernels?.withScratch(2 ** 32 - 2 ** 17, () => 0)).toThrow(memory);
  expect([...ones([3]).dataSync()]).toEqual([1, 1, 1]);
});

it("guards the kernels' own scratch", async () => {
  const { wasm } = engine().backend as unknown as { wasm: { wasmMemory?: object; asm?: { memory: object } } };
  let calls = 0;
  const _malloc = (): number => (calls++ === 0 ? 8 : 0);
  const memory = wasm.wasmMemory ?? wasm.asm?.memory;
  const full = { wasm: { HEAPU8: new Uint8Array(8), wasmMemory: memory, _malloc, _free: () => {} } };
  await expect(attachKernels(full, withSharedMemory)).rejects.toMatchObject({ code: "KD_MEMORY" });
});

it("says so when the system refuses to let the heap grow", () => {
  const { wasm } = engine().backend as unknown as { wasm: { wasmMemory?: object; asm?: { memory: object } } };
  const memory = (wasm.wasmMemory ?? wasm.asm?.memory) as { grow: (pages: number) => number };
  const kept = ones([4]);
  let asked = 0;
  memory.grow = () => {
    asked++;
    throw new RangeError("WebAssembly.Memory.grow(): Unable to grow instance memory");
  };
  try {
    const large: Tensor[] = [];
    const fill = (): void => {
      for (;;) large.push(fusedKernels()?.output([2 ** 26]) as Tensor);
    };
    expect(fill).toThrow(
      expect.objectContaining({ code: "KD_MEMORY", message: expect.stringContaining("the system gives no more") }),
    );
    expect(asked).toBeGreaterThan(0);
    for (const t of large) t.dispose();
  } finally {
    delete (memory as { grow?: unknown }).grow; // the prototype's again
  }
  expect([...kept.dataSync()]).toEqual([1, 1, 1, 1]);
});

it("fills up to 4 GiB and says so; no number changes, and what is freed can be used again", () => {
  const kernels = fusedKernels();
  const kept = ones([1000]);
  const large: Tensor[] = [];
  const fill = (): void => {
    // their pages are never touched: they cost addresses, not memory
    for (;;) large.push(kernels?.output([2 ** 26]) as Tensor);
  };
  expect(fill).toThrow(
    expect.objectContaining({ code: "KD_MEMORY", message: expect.stringMatching(/256\.0 MiB more.*its end is 4 GiB/) }),
  );
  expect(large.length).toBeGreaterThan(10);
  const { heap } = memoryReport();
  expect(heap?.inUse).toBeGreaterThan(2 ** 31);
  const high = ones([3, 3]) as Tensor2D; // above 2 GiB, where addresses are negative to Emscripten
  expect([...linear(high, high).dataSync()]).toEqual(new Array(9).fill(3));
  for (const t of large) t.dispose();
  expect(kept.dataSync().every((x) => x === 1)).toBe(true);
  const again = kernels?.output([2 ** 26]);
  expect(memoryReport().heap?.grown).toBe(heap?.grown);
  again?.dispose();
});
