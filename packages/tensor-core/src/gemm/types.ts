import type { KernelHost } from "../kernels/fused-kernels.ts";
import type { OnnxLibrary } from "../node/onnx-gemm.ts";
import type { SgemmLibrary } from "../node/sgemm.ts";

/**
 * `C = alpha · op(A) · op(B) + beta · C` in float32, row-major. Addresses are bytes in the wasm heap; `lda`, `ldb`, `ldc` are row strides
 * in elements.
 */
export type Gemm = (
  transposeA: boolean,
  transposeB: boolean,
  m: number,
  n: number,
  k: number,
  alpha: number,
  a: number,
  lda: number,
  b: number,
  ldb: number,
  beta: 0 | 1,
  c: number,
  ldc: number,
) => void;

/** A product of another library, bound to a heap in the main thread and not yet checked. */
export interface ForeignGemm {
  readonly provider: "blas" | "onnxruntime";
  readonly gemm: Gemm;
  readonly version?: string;
  /** Multiplications from which a call is worth its cost; smaller products stay with the kernels' own. */
  readonly from: number;
  /** How other threads bind it. */
  readonly perThread: ThreadLibrary;
}

/** A library as plain data, for a thread to bind. */
export type ThreadLibrary = SgemmLibrary | OnnxLibrary;

export interface OpenOptions {
  /** Whose heap the operands lie in. */
  readonly host: Pick<KernelHost, "kernels" | "memory" | "serialGemm">;
}
