import type { FusedKernels } from "../kernels/binding.ts";

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

/** A product of another library, bound to a heap and not yet checked. */
export interface ForeignGemm {
  readonly provider: "blas" | "onnxruntime";
  readonly gemm: Gemm;
  readonly version?: string;
  /** Threads that it was set to use. */
  readonly threads: number;
}

export interface OpenOptions {
  /** @defaultValue the machine's */
  readonly threads?: number | undefined;
  /** Whose heap the operands lie in. */
  readonly kernels: Pick<FusedKernels, "buffer" | "wasmGemm" | "withScratch" | "x">;
}
