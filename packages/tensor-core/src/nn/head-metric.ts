import { isLargeHalf, widen, wideSlices } from "../half.ts";
import { fusedKernels } from "../kernels/fused-kernels.ts";
import { add, fill, matMul, mul, sub, type Tensor2D, tidy } from "../ops.ts";
import { type Product, product } from "./product.ts";

/** Rows of logits whose product with the head costs less than `WᵀW`, or the other way round: the result is the same. */
const fewRows = (rows: number, [V, D]: readonly [number, number]): boolean => 2 * rows * V < D * (V + rows);

/** The mean row of a head, `[1, D]`: H times it is the mean over the vocabulary of every row of logits. */
export function headCentre(head: Tensor2D): Tensor2D {
  const multiply = product(fusedKernels());
  const [V] = head.shape;
  return tidy(() => {
    const parts = slicesOf(head).map((part) => {
      const w = widen(part);
      return multiply(fill([1, w.shape[0]], 1 / V) as Tensor2D, w, false, false);
    });
    return parts.reduce((sum, part) => add(sum, part) as Tensor2D);
  });
}

/**
 * H·(WᵀW), `[N, D]`, in the cheaper order, with no more logits at once than a slice of the vocabulary has.
 *
 * @param centre the head's {@link headCentre} when W is to be taken without it: WᵀW − V·w̄ᵀw̄
 */
export function throughHead(hidden: Tensor2D, head: Tensor2D, centre: Tensor2D | undefined): Tensor2D {
  const multiply = product(fusedKernels());
  if (centre === undefined) return plain(multiply, hidden, head);
  return tidy(() => {
    const means = multiply(hidden, centre, false, true); // [N, 1]
    return sub(plain(multiply, hidden, head), multiply(mul(means, head.shape[0]) as Tensor2D, centre, false, false));
  }) as Tensor2D;
}

/** W·K, the gradient of a head from K = Hᵀ(dG + dGᵀ)H, `[V, D]`; without its mean row when W is taken without. */
export function spreadThroughHead(head: Tensor2D, k: Tensor2D, centre: Tensor2D | undefined): Tensor2D {
  const kernels = fusedKernels();
  const multiply = product(kernels);
  return tidy(() => {
    const out = multiply(head, k, false, false);
    if (centre === undefined) return out;
    const common = multiply(centre, k, false, false); // [1, D]
    if (kernels === undefined) return sub(out, common) as Tensor2D;
    const [V, D] = out.shape; // in place: a head's gradient is as large as the head
    const one = fill([V, 1], 1);
    const at = kernels.address(out);
    kernels.gemm(false, false, V, D, 1, -1, kernels.address(one), 1, kernels.address(common), D, 1, at, D);
    return out;
  });
}

const slicesOf = (head: Tensor2D): Tensor2D[] => (isLargeHalf(head) ? wideSlices(head) : [head]);

function plain(multiply: Product, hidden: Tensor2D, head: Tensor2D): Tensor2D {
  const [N, [V, D]] = [hidden.shape[0], head.shape];
  if (isLargeHalf(head)) return throughHalfHead(multiply, hidden, head);
  if (N === 0 || !fewRows(N, head.shape))
    return tidy(() => multiply(hidden, multiply(head, head, true, false), false, false));
  const k = fusedKernels();
  if (k === undefined) return tidy(() => matMul(matMul(hidden, head, false, true) as Tensor2D, head) as Tensor2D);
  const out = k.output([N, D]) as Tensor2D;
  const width = Math.min(V, 4096);
  k.withScratch(4 * N * width, (z) => {
    for (let v = 0; v < V; v += width) {
      const n = Math.min(width, V - v);
      const w = k.address(head) + 4 * v * D;
      k.gemm(false, true, N, n, D, 1, k.address(hidden), D, w, D, 0, z, n);
      k.gemm(false, false, N, D, n, 1, z, n, w, D, v > 0 ? 1 : 0, k.address(out), D);
    }
  });
  return out;
}

/** The same of a head in 16 bits, which is widened a slice of the vocabulary at a time. */
function throughHalfHead(multiply: Product, hidden: Tensor2D, head: Tensor2D): Tensor2D {
  const few = fewRows(hidden.shape[0], head.shape);
  return tidy(() => {
    let total: Tensor2D | undefined;
    for (const slice of wideSlices(head)) {
      const sum = tidy(() => {
        const w = widen(slice);
        const part = few ? multiply(multiply(hidden, w, false, true), w, false, false) : multiply(w, w, true, false);
        return total === undefined ? part : (add(total, part) as Tensor2D);
      });
      total?.dispose();
      total = sum;
    }
    return few ? (total as Tensor2D) : multiply(hidden, total as Tensor2D, false, false);
  });
}
