import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { KdError } from "@kd/contract";
import type { ForeignGemm, OpenOptions } from "../gemm/types.ts";
import { productModel } from "./onnx-model.ts";
import { requireFor } from "./optional.ts";

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

export const ONNX_RUNTIME = "onnxruntime-node";
// A session's run costs tens of microseconds. On two threads the kernels' own product is as fast at 96³ multiplications (112 µs against 72 µs
// in version 1.20 and 116 µs in 1.30) and slower at 128³ (170 µs against 94 µs).
const SMALL = 96 ** 3;

/**
 * Opens ONNX Runtime's matrix product on the kernels' heap. It takes whole matrices only: products with longer rows or another alpha stay
 * with the kernels. Throws with the reason when it is not installed, or the heap is shared between threads.
 */
export function openOnnxRuntime({ threads = availableParallelism(), host }: OpenOptions): ForeignGemm {
  const require = requireFor(ONNX_RUNTIME);
  if (require === undefined)
    throw new KdError(
      "KD_BACKEND",
      `openGemm: expected the package ${ONNX_RUNTIME}, got none; npm install ${ONNX_RUNTIME}`,
    );
  const { kernels, memory, serialGemm } = host;
  if (memory.buffer instanceof SharedArrayBuffer)
    throw new KdError("KD_BACKEND", `openGemm: ${ONNX_RUNTIME} refuses memory that threads share; ask for it first`);
  const { binding, initOrt } = require(`${ONNX_RUNTIME}/dist/binding.js`) as OrtBinding;
  const { version } = require(`${ONNX_RUNTIME}/package.json`) as { version: string };
  const { Tensor } = createRequire(require.resolve(ONNX_RUNTIME))("onnxruntime-common") as OrtCommon;
  initOrt?.();
  const session = (transposeA: boolean, transposeB: boolean): OrtSession => {
    const model = productModel(transposeA, transposeB);
    const made = new binding.InferenceSession();
    made.loadModel(model.buffer, 0, model.byteLength, { intraOpNumThreads: threads, interOpNumThreads: 1 });
    return made;
  };
  const sessions = [false, true].map((ta) => [false, true].map((tb) => session(ta, tb)));
  const matrix = (address: number, rows: number, columns: number): OrtTensor =>
    new Tensor("float32", new Float32Array(memory.buffer, address, rows * columns), [rows, columns]);
  const gemm: ForeignGemm["gemm"] = (ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
    const whole = lda === (ta ? m : k) && ldb === (tb ? k : n) && ldc === n;
    if (!whole || alpha !== 1 || m * n * k < SMALL)
      return serialGemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    if (beta === 1)
      return kernels.withScratch(m * n * 4, (product) => {
        gemm(ta, tb, m, n, k, 1, a, lda, b, ldb, 0, product, n);
        kernels.run("addBias", [c, product, m * n], 1, { work: m * n }); // one row of all of C
      });
    const feeds = { a: ta ? matrix(a, k, m) : matrix(a, m, k), b: tb ? matrix(b, n, k) : matrix(b, k, n) };
    sessions[Number(ta)]?.[Number(tb)]?.run(feeds, { c: matrix(c, m, n) }, {});
  };
  return { provider: "onnxruntime", gemm, from: SMALL, threads, version };
}
