import type { Gemm } from "../gemm/types.ts";
import type { Koffi, ThreadTools } from "./sgemm.ts";

interface OrtTensor {
  readonly dims: readonly number[];
}
interface OrtSession {
  loadModel(buffer: ArrayBufferLike, offset: number, bytes: number, options: object): void;
  run(feeds: Record<string, OrtTensor>, fetches: Record<string, OrtTensor>, options: object): unknown;
}
/** What is used of onnxruntime-node, which is optional. Its public `run` is async; the binding below it is not. */
interface OrtBinding {
  readonly binding: { InferenceSession: new () => OrtSession };
  initOrt?(): void;
}
interface OrtCommon {
  Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => OrtTensor;
}

/** ONNX Runtime's product as plain data, so that each thread can open its own sessions. Paths are absolute. */
export interface OnnxLibrary {
  readonly kind: "onnxruntime";
  readonly koffi: string;
  readonly binding: string;
  readonly common: string;
  /** A model of one product: neither transposed, B, A, both. */
  readonly models: readonly Uint8Array[];
  /** Address of the wasm heap's first byte. */
  readonly base: number;
  /** Multiplications below which the kernels' own product is faster. */
  readonly small: number;
}

/**
 * Binds ONNX Runtime's product in the calling thread. It refuses shared memory, so it gets the heap as foreign memory by its address; it
 * takes whole matrices only, so longer rows are copied. Given to worker threads as text: it uses nothing from outside itself.
 */
export function bindOnnxRuntime(library: OnnxLibrary, { require, ownGemm }: ThreadTools): Gemm {
  const koffi = require(library.koffi) as Koffi;
  const { binding, initOrt } = require(library.binding) as OrtBinding;
  const { Tensor } = require(library.common) as OrtCommon;
  initOrt?.();
  const sessions = library.models.map((model) => {
    const made = new binding.InferenceSession();
    const bytes = Uint8Array.from(model);
    made.loadModel(bytes.buffer, 0, bytes.byteLength, { intraOpNumThreads: 1, interOpNumThreads: 1 });
    return made;
  });
  let heap = new ArrayBuffer(0);
  const at = (address: number, count: number): Float32Array => {
    const end = address + 4 * count;
    if (end > heap.byteLength) heap = koffi.view(BigInt(library.base), Math.ceil(end / 2 ** 26) * 2 ** 26);
    return new Float32Array(heap, address, count);
  };
  const rooms = [new Float32Array(0), new Float32Array(0), new Float32Array(0)];
  const room = (which: number, count: number): Float32Array => {
    if ((rooms[which] as Float32Array).length < count) rooms[which] = new Float32Array(count);
    return (rooms[which] as Float32Array).subarray(0, count);
  };
  const whole = (which: number, address: number, rows: number, columns: number, stride: number): OrtTensor => {
    const from = at(address, (rows - 1) * stride + columns);
    if (stride === columns) return new Tensor("float32", from, [rows, columns]);
    const into = room(which, rows * columns);
    for (let r = 0; r < rows; r++) into.set(from.subarray(r * stride, r * stride + columns), r * columns);
    return new Tensor("float32", into, [rows, columns]);
  };
  return (ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
    if (m * n * k < library.small) return ownGemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    const feeds = {
      a: ta ? whole(0, a, k, m, lda) : whole(0, a, m, k, lda),
      b: tb ? whole(1, b, n, k, ldb) : whole(1, b, k, n, ldb),
    };
    const out = at(c, (m - 1) * ldc + n);
    const direct = alpha === 1 && beta === 0 && ldc === n;
    const product = direct ? out : room(2, m * n);
    sessions[(ta ? 2 : 0) + (tb ? 1 : 0)]?.run(feeds, { c: new Tensor("float32", product, [m, n]) }, {});
    if (direct) return;
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        const value = alpha * (product[i * n + j] as number);
        out[i * ldc + j] = beta === 0 ? value : (out[i * ldc + j] as number) + value;
      }
  };
}
