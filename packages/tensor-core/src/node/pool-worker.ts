import type { Gemm, ThreadLibrary } from "../gemm/types.ts";
import type { JOB } from "../kernels/job.ts";
import type { bindOnnxRuntime } from "./onnx-gemm.ts";
import type { bindSgemm } from "./sgemm.ts";

/** What a thread of the pool is started with. */
export interface PoolWorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** The kernels' own scratch memory in the heap. */
  readonly scratch: number;
  /** See {@link JOB}. */
  readonly job: SharedArrayBuffer;
  readonly layout: typeof JOB;
  readonly kernels: readonly string[];
  readonly library?: ThreadLibrary;
  /** See the kernels' setHostFrom. */
  readonly hostFrom: number;
  /** Looks at the ticket before it sleeps: a look takes some nanoseconds, waking up some microseconds. */
  readonly spins: number;
}

interface Thread {
  readonly require: (name: string) => unknown;
  readonly bind: { readonly blas: typeof bindSgemm; readonly onnxruntime: typeof bindOnnxRuntime };
  readonly workerData: PoolWorkerData;
  readonly parentPort: { postMessage(message: unknown): void };
}

/** The loop of a thread of the pool. It is given to the thread as text, so it uses nothing from outside itself. */
export function poolWorker({ require, bind, workerData, parentPort }: Thread): void {
  const { module, memory, scratch, job, layout, kernels, library, hostFrom, spins } = workerData;
  let gemm: Gemm | undefined;
  const host = (ta: number, tb: number, m: number, n: number, k: number, alpha: number, ...rest: number[]): void => {
    const [a, lda, b, ldb, beta, c, ldc] = rest as [number, number, number, number, 0 | 1, number, number];
    gemm?.(ta !== 0, tb !== 0, m, n, k, alpha, a >>> 0, lda, b >>> 0, ldb, beta, c >>> 0, ldc);
  };
  const { exports } = new WebAssembly.Instance(module, { env: { memory, log: Math.log, gemm: host } });
  const x = exports as unknown as Record<string, (...args: number[]) => void>;
  x.setScratch?.(scratch);
  x.setHostFrom?.(hostFrom);
  const ownGemm: Gemm = (ta, tb, ...rest) => x.ownGemm?.(ta ? 1 : 0, tb ? 1 : 0, ...rest);
  const tools = { require, ownGemm };
  if (library !== undefined)
    gemm = library.kind === "blas" ? bind.blas(library, tools) : bind.onnxruntime(library, tools);
  const words = new Int32Array(job, 0, layout.arguments / 4);
  const values = new Float64Array(job, layout.arguments);
  const word = (at: number): number => words[at] as number;
  parentPort.postMessage("ready");
  for (let looks = 0; ; ) {
    const ticket = Atomics.load(words, layout.ticket);
    const chunk = ticket & 255;
    if (chunk >= word(layout.chunks)) {
      if (++looks > spins) {
        Atomics.wait(words, layout.ticket, ticket);
        looks = 0;
      }
      continue;
    }
    if (word(layout.kernel) < 0) return;
    // Read before the claim: a claim that succeeds proves that the job was still this one.
    const args = [...values.subarray(0, word(layout.argumentCount))];
    const [from, to] = [chunk * word(layout.size), Math.min(word(layout.count), (chunk + 1) * word(layout.size))];
    const strided = word(layout.strided);
    if (strided >= 0) args[strided] = (args[strided] as number) + chunk * word(layout.stride);
    const kernel = x[kernels[word(layout.kernel)] as string] as (...args: number[]) => void;
    if (Atomics.compareExchange(words, layout.ticket, ticket, ticket + 1) !== ticket) continue;
    looks = 0;
    try {
      kernel(...args, from, to);
    } catch {
      Atomics.store(words, layout.failed, 1);
    }
    Atomics.add(words, layout.done, 1);
  }
}
