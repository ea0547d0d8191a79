import type { FusedKernels } from "../kernels/fused-kernels.ts";
import { matMul, type Tensor2D } from "../ops.ts";

/** A matrix product outside the tape. */
export type Product = (a: Tensor2D, b: Tensor2D, transposeA: boolean, transposeB: boolean) => Tensor2D;

/** On the kernels' GEMM provider when there are kernels, tfjs's otherwise. */
export function product(k: FusedKernels | undefined): Product {
  if (k === undefined) return matMul;
  return (a, b, transposeA, transposeB) => {
    const [m, inner] = transposeA ? [a.shape[1], a.shape[0]] : a.shape;
    const n = transposeB ? b.shape[0] : b.shape[1];
    const [lda, ldb] = [a.shape[1], b.shape[1]];
    if (m * n === 0 || inner === 0) return k.zeros([m, n]) as Tensor2D;
    const out = k.output([m, n]) as Tensor2D;
    k.gemm(transposeA, transposeB, m, n, inner, 1, k.address(a), lda, k.address(b), ldb, 0, k.address(out), n);
    return out;
  };
}
