import { engine } from "@tensorflow/tfjs-core";
import type { Gemm } from "../gemm/types.ts";
import type { Tensor } from "../ops.ts";
import type { Pool } from "./pool.ts";

/** The kernels' WebAssembly exports that work on a range, which is their last two arguments: addresses in bytes, sizes in elements. */
export const KERNELS = [
  "adamw",
  "addBias",
  "attentionBwd",
  "attentionFwd",
  "colSum",
  "copy",
  "gatherRows",
  "geluBwd",
  "geluFwd",
  "gemm",
  "layerNormBwd",
  "layerNormFwd",
  "putRows",
  "rmsBwd",
  "rmsFwd",
  "rope",
  "rowLosses",
  "segAdd",
  "sumOfSquares",
  "swigluBwd",
  "swigluFwd",
  "topKLosses",
  "zero",
] as const;
type KernelName = (typeof KERNELS)[number];

/** How a kernel's range is shared out. */
interface RunOptions {
  /** Elements that the kernel reads and writes, more for costly ones: small jobs stay in the main thread. */
  readonly work: number;
  /** Chunks are multiples of it. @defaultValue 1 */
  readonly grain?: number;
  /** Chunks; each gets `stride` bytes more added to the argument at index `strided`. @defaultValue `chunks(count, work, grain)` */
  readonly chunks?: number;
  readonly strided?: number;
  readonly stride?: number;
}

/** Fused kernels working on the wasm backend's own heap: nothing is copied between tfjs and them. */
export interface FusedKernels {
  /** Runs a kernel over [0, count), on all threads where that pays. */
  run(kernel: KernelName, args: readonly number[], count: number, options: RunOptions): void;
  /** Chunks that `run` cuts a range into: what is summed up by chunk depends on the number of threads alone. */
  chunks(count: number, work: number, grain?: number): number;
  /**
   * Runs a kernel that adds to `size` float32 numbers at `into`, its argument at index `at`: each chunk to its own copy, which are then
   * added up. `into` starts from zero.
   */
  runSum(kernel: KernelName, args: readonly number[], count: number, sum: RunSum): void;
  /** Bytes of scratch memory that an attention kernel needs a chunk. */
  attentionScratch(t: number, s: number): number;
  /** Where a tensor's data lies in the heap; data of another backend is moved in. */
  address(tensor: Tensor): number;
  /** A new float32 tensor with undefined contents, tracked by tidy. */
  output(shape: readonly number[]): Tensor;
  zeros(shape: readonly number[]): Tensor;
  /** Calls `use` with the address of scratch memory that is freed afterwards. */
  withScratch<T>(bytes: number, use: (address: number) => T): T;
  /** Bytes that the kernels hold for themselves, for every thread that has started. */
  scratchBytes(): number;
  /** The heap's buffer now; it is replaced when the heap grows. */
  buffer(): ArrayBufferLike;
  /** The matrix product, on all threads where that pays. */
  readonly gemm: Gemm;
}

interface RunSum {
  readonly work: number;
  readonly at: number;
  readonly size: number;
  readonly into: number;
}

/** What the backend's start may set: who multiplies large matrices, and other threads. */
export interface KernelHost {
  readonly kernels: FusedKernels;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Scratch memory for one more thread's kernels; it stays. */
  readonly scratch: () => number;
  /** Uses a system library's product from so many multiplications on; none by default. */
  setGemm(gemm: Gemm | undefined, from: number): void;
  /** The kernels' own product, in the main thread alone. */
  readonly serialGemm: Gemm;
  setPool(pool: Pool | undefined): void;
  /** Threads that kernels run on, the main one among them. */
  threads(): number;
  /** Takes away pool and library and sets up others, unless those that it was last called for (`key`) are wanted again. */
  restart(key: string, setUp: () => Promise<void>): Promise<void>;
}

const attached = new WeakMap<object, KernelHost>();

/** Ops use these kernels from now on whenever the backend is the current one. */
export function setKernelHost(backend: object, host: KernelHost): void {
  attached.set(backend, host);
}

/** The kernels of a backend that they were attached to. */
export const kernelHost = (backend: object): KernelHost | undefined => attached.get(backend);

/** The fused kernels of the current backend, or undefined when it has none. */
export function fusedKernels(): FusedKernels | undefined {
  return attached.get(engine().backend as object)?.kernels;
}
