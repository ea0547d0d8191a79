import { engine } from "@tensorflow/tfjs-core";
import { guardHeap, type WasmHeap } from "../backend/guard-heap.ts";
import type { Gemm } from "../gemm/types.ts";
import type { Tensor } from "../ops.ts";
import { KERNEL_BYTES } from "./bytes.ts";
import { type FusedKernels, KERNELS, type KernelHost, kernelHost, setKernelHost } from "./fused-kernels.ts";
import type { Pool } from "./pool.ts";

/** What is used of tfjs's BackendWasm; its class does not export these. */
interface WasmBackend {
  readonly wasm: WasmHeap & {
    readonly wasmMemory?: WebAssembly.Memory;
    readonly asm?: { readonly memory?: WebAssembly.Memory };
  };
  readonly dataIdMap: { get(id: object): { readonly memoryOffset: number } };
  makeOutput(shape: readonly number[], dtype: "float32"): { dataId: object; shape: number[]; dtype: "float32" };
}

// A job for other threads costs a few microseconds; an element of a kernel about a nanosecond.
const WORK_A_CHUNK = 16_384;

/** Instantiates the kernels on a wasm backend's heap. Ops use them from now on whenever that backend is the current one. */
export async function attachKernels(
  backend: object,
  share: (module: Uint8Array) => Uint8Array<ArrayBuffer> | undefined,
): Promise<KernelHost> {
  const before = kernelHost(backend);
  if (before !== undefined) return before;
  const heap = backend as WasmBackend;
  const { wasm, dataIdMap } = heap;
  guardHeap(wasm); // for scratch and withScratch, too
  const memory = (wasm.wasmMemory ?? wasm.asm?.memory) as WebAssembly.Memory;
  const bytes = Uint8Array.from(atob(KERNEL_BYTES), (c) => c.charCodeAt(0));
  const isShared = memory.buffer.constructor.name === "SharedArrayBuffer";
  const module = await WebAssembly.compile((isShared && share(bytes)) || bytes);
  let library: Gemm | undefined;
  const host = (ta: number, tb: number, m: number, n: number, k: number, alpha: number, ...rest: number[]): void => {
    const [a, lda, b, ldb, beta, c, ldc] = rest as [number, number, number, number, 0 | 1, number, number];
    library?.(ta !== 0, tb !== 0, m, n, k, alpha, a >>> 0, lda, b >>> 0, ldb, beta, c >>> 0, ldc);
  };
  const { exports } = await WebAssembly.instantiate(module, { env: { memory, log: Math.log, gemm: host } });
  const x = exports as unknown as Record<string, (...args: number[]) => number>;
  const call = (name: string, ...args: number[]): number => (x[name] as (...args: number[]) => number)(...args);
  let scratches = 0;
  const scratch = (): number => {
    scratches++;
    return wasm._malloc(call("scratchBytes")) >>> 0;
  };
  call("setScratch", scratch());
  let pool: Pool | undefined;
  let current: string | undefined;

  const kernels: FusedKernels = {
    chunks: (count, work, grain = 1) =>
      pool === undefined
        ? 1
        : Math.max(1, Math.min(pool.threads, Math.floor(work / WORK_A_CHUNK), Math.ceil(count / grain))),
    run: (kernel, args, count, { work, grain = 1, chunks = kernels.chunks(count, work, grain), ...own }) => {
      if (count === 0) return;
      const { strided = -1, stride = 0 } = own;
      const size = Math.ceil(count / chunks / grain) * grain;
      const run = x[kernel] as (...args: number[]) => number;
      const part = (chunk: number): void => {
        const mine = [...args];
        if (strided >= 0) mine[strided] = (mine[strided] as number) + chunk * stride;
        run(...mine, chunk * size, Math.min(count, (chunk + 1) * size));
      };
      const used = Math.ceil(count / size);
      if (pool === undefined || used === 1) for (let chunk = 0; chunk < used; chunk++) part(chunk);
      else pool.run({ kernel: KERNELS.indexOf(kernel), args, count, chunks: used, size, strided, stride }, part);
    },
    runSum: (kernel, args, count, { work, at, size, into }) => {
      const chunks = kernels.chunks(count, work);
      const zero = (address: number, n: number): void => kernels.run("zero", [address], n, { work: n });
      zero(into, size);
      const to = (address: number): number[] => args.map((arg, i) => (i === at ? address : arg));
      if (chunks === 1) return kernels.run(kernel, to(into), count, { work, chunks });
      kernels.withScratch(chunks * size * 4, (parts) => {
        zero(parts, chunks * size);
        kernels.run(kernel, to(parts), count, { work, chunks, strided: at, stride: size * 4 });
        kernels.run("colSum", [parts, into, size], chunks, { work, chunks: 1 });
      });
    },
    attentionScratch: (t, s) => call("attentionScratch", t, s),
    address: (tensor) => dataIdMap.get(tensor.dataId as object).memoryOffset,
    output: (shape) => engine().makeTensorFromTensorInfo(heap.makeOutput([...shape], "float32") as never) as Tensor,
    zeros: (shape) => {
      const tensor = kernels.output(shape);
      kernels.run("zero", [kernels.address(tensor)], tensor.size, { work: tensor.size });
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
    scratchBytes: () => scratches * call("scratchBytes"),
    buffer: () => wasm.HEAPU8.buffer,
    gemm: (ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
      const columns = m < n; // the operand that every thread reads whole is the smaller one
      const args = [ta ? 1 : 0, tb ? 1 : 0, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, columns ? 1 : 0];
      // a multiplication takes about a fortieth of a nanosecond
      kernels.run("gemm", args, columns ? n : m, { work: (m * n * k) / 16, grain: 16 });
    },
  };
  const made: KernelHost = {
    kernels,
    module,
    memory,
    scratch,
    setGemm: (gemm, from) => {
      library = gemm;
      call("setHostFrom", gemm === undefined ? 0 : from);
    },
    serialGemm: (ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
      call("ownGemm", ta ? 1 : 0, tb ? 1 : 0, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    },
    setPool: (next) => {
      pool?.close();
      pool = next;
    },
    threads: () => pool?.threads ?? 1,
    restart: async (key, setUp) => {
      if (key === current) return;
      current = undefined; // until all is set up
      made.setPool(undefined);
      await setUp();
      current = key;
    },
  };
  setKernelHost(backend, made);
  return made;
}
