import { fusedKernels } from "../kernels/fused-kernels.ts";
import { add, concat, matMul, reshape, slice, type Tensor, type Tensor2D, tidy, transpose, zeros } from "../ops.ts";

/** [first row, rows, first element of its Gram] of every span that has rows. */
export type Spans = readonly (readonly [row: number, rows: number, at: number])[];

export function spansOf(lengths: readonly number[]): Spans {
  let [row, at] = [0, 0];
  return lengths.flatMap((n) => {
    const span = [row, n, at] as const;
    row += n;
    at += n * n;
    return n > 0 ? [span] : [];
  });
}

const size = (spans: Spans): number => spans.reduce((sum, [, n]) => sum + n * n, 0);
const part = (t: Tensor2D, row: number, n: number): Tensor2D => slice(t, [row, 0], [n, -1]);

/** a·bᵀ of every span, flattened, one after another: `[Σ n²]`. */
export function spanOuterProducts(a: Tensor2D, b: Tensor2D, spans: Spans): Tensor {
  const k = fusedKernels();
  const width = a.shape[1];
  if (k === undefined)
    return tidy(() => {
      const grams = spans.map(([r, n]) => reshape(matMul(part(a, r, n), part(b, r, n), false, true), [n * n]));
      return grams.length > 0 ? concat(grams) : zeros([0]);
    });
  const out = k.output([size(spans)]);
  const [from, to, into] = [k.address(a), k.address(b), k.address(out)];
  for (const [row, n, at] of spans)
    k.gemm(
      false,
      true,
      n,
      n,
      width,
      1,
      from + 4 * row * width,
      width,
      to + 4 * row * width,
      width,
      0,
      into + 4 * at,
      n,
    );
  return out;
}

/** (dG + dGᵀ)·x of every span, in the rows of x; dG flattened as {@link spanOuterProducts} gives them. */
export function spanSymmetricProducts(dy: Tensor, x: Tensor2D, spans: Spans): Tensor2D {
  const k = fusedKernels();
  const width = x.shape[1];
  if (k === undefined)
    return tidy(() => {
      if (spans.length === 0) return zeros(x.shape) as Tensor2D;
      const products = spans.map(([row, n, at]) => {
        const d = reshape(slice(dy, at, n * n), [n, n]);
        return matMul(add(d, transpose(d)) as Tensor2D, part(x, row, n));
      });
      return concat(products, 0) as Tensor2D;
    });
  const out = k.output(x.shape) as Tensor2D;
  const [d, from, into] = [k.address(dy), k.address(x), k.address(out)];
  for (const [row, n, at] of spans)
    for (const transposed of [false, true])
      k.gemm(
        transposed,
        false,
        n,
        width,
        n,
        1,
        d + 4 * at,
        n,
        from + 4 * row * width,
        width,
        transposed ? 1 : 0,
        into + 4 * row * width,
        width,
      );
  return out;
}
