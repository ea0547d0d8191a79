import { beforeAll, expect, it } from "vitest";
import { engine, ones, useBackend } from "../index.ts";
import { attachKernels, fusedKernels } from "../kernels/binding.ts";
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
