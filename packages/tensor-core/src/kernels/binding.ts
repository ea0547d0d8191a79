import { engine } from "@tensorflow/tfjs-core";
import { guardHeap } from "../backend/guard-heap.ts";
import type { Gemm } from "../gemm/types.ts";
import type { Tensor } from "../ops.ts";
import { KERNEL_BYTES } from "./bytes.ts";

/** The kernels' WebAssembly exports that read and write tensors: addresses in bytes, sizes in elements. */
type KernelName =
  | "adamw"
  | "addBias"
  | "attentionBwd"
  | "attentionFwd"
  | "ceKlRows"
  | "colSum"
  | "copy"
  | "gatherRows"
  | "geluBwd"
  | "geluFwd"
  | "layerNormBwd"
  | "layerNormFwd"
  | "putRows"
  | "rmsBwd"
  | "rmsFwd"
  | "rope"
  | "segAdd"
  | "sumOfSquares"
  | "swigluBwd"
  | "swigluFwd"
  | "zero";

/** Fused kernels working on the wasm backend's own heap: nothing is copied between tfjs and them. */
export interface FusedKernels {
  readonly x: Readonly<Record<KernelName, (...args: number[]) => number>>;
  /** Where a tensor's data lies in the heap; data of another backend is moved in. */
  address(tensor: Tensor): number;
  /** A new float32 tensor with undefined contents, tracked by tidy. */
  output(shape: readonly number[]): Tensor;
  zeros(shape: readonly number[]): Tensor;
  /** Calls `use` with the address of scratch memory that is freed afterwards. */
  withScratch<T>(bytes: number, use: (address: number) => T): T;
  /** What the kernels hold for themselves. */
  readonly scratchBytes: number;
  /** The heap's buffer now; it is replaced when the heap grows. */
  buffer(): ArrayBuffer;
  readonly gemm: Gemm;
  /** The kernels' own product, whatever `setGemm` was given. */
  readonly wasmGemm: Gemm;
  setGemm(gemm: Gemm): void;
}

/** What is used of tfjs's BackendWasm; its class does not export these. */
interface WasmBackend {
  readonly wasm: {
    readonly HEAPU8: Uint8Array;
    readonly wasmMemory?: WebAssembly.Memory;
    readonly asm?: { readonly memory?: WebAssembly.Memory };
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  readonly dataIdMap: { get(id: object): { readonly memoryOffset: number } };
  makeOutput(shape: readonly number[], dtype: "float32"): { dataId: object; shape: number[]; dtype: "float32" };
}

const attached = new WeakMap<object, FusedKernels>();

/** The fused kernels of the current backend, or undefined when it has none. */
export function fusedKernels(): FusedKernels | undefined {
  return attached.get(engine().backend as object);
}

/** Instantiates the kernels on a wasm backend's heap. Ops use them from now on whenever that backend is the current one. */
export async function attachKernels(backend: object): Promise<FusedKernels> {
  const before = attached.get(backend);
  if (before !== undefined) return before;
  const heap = backend as WasmBackend;
  const { wasm, dataIdMap } = heap;
  guardHeap(wasm); // for setScratch and withScratch, too
  const memory = (wasm.wasmMemory ?? wasm.asm?.memory) as WebAssembly.Memory;
  const bytes = Uint8Array.from(atob(KERNEL_BYTES), (c) => c.charCodeAt(0));
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory, log: Math.log } });
  const x = instance.exports as unknown as Record<string, (...args: number[]) => number>;
  const scratchBytes = (x.scratchBytes as () => number)();
  x.setScratch?.(wasm._malloc(scratchBytes) >>> 0);
  const wasmGemm: Gemm = (ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
    x.gemm?.(ta ? 1 : 0, tb ? 1 : 0, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  };
  let gemm = wasmGemm;
  const kernels: FusedKernels = {
    x: x as FusedKernels["x"],
    address: (tensor) => dataIdMap.get(tensor.dataId as object).memoryOffset,
    output: (shape) => engine().makeTensorFromTensorInfo(heap.makeOutput([...shape], "float32") as never) as Tensor,
    zeros: (shape) => {
      const tensor = kernels.output(shape);
      if (tensor.size > 0) kernels.x.zero(kernels.address(tensor), tensor.size * 4);
      return tensor;
    },
    withScratch: (count, use) => {
      const address = wasm._malloc(Math.max(count, 8)) >>> 0;
      try {
        return use(address);
      } finally {
        wasm._free(address);
      }
    },
    scratchBytes,
    buffer: () => wasm.HEAPU8.buffer as ArrayBuffer,
    get gemm() {
      return gemm;
    },
    wasmGemm,
    setGemm: (next) => {
      gemm = next;
    },
  };
  attached.set(backend, kernels);
  return kernels;
}
