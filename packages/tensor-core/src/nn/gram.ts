import { KdError } from "@kd/contract";
import { isLargeHalf, widen, wideSlices } from "../half.ts";
import { fusedKernels } from "../kernels/binding.ts";
import { differentiable, type Operand, tensorOf } from "../operand.ts";
import { add, type Tensor, type Tensor1D, type Tensor2D, tidy } from "../ops.ts";
import { assertShapes } from "../shape.ts";
import { type Product, product } from "./product.ts";
import type { StudentRows } from "./row-losses.ts";
import { spanOuterProducts, spanSymmetricProducts, spansOf } from "./span-products.ts";

/**
 * Gram matrices Z·Zᵀ of spans of logits. Through factors they are H·(WᵀW)·Hᵀ: the logits are never made at once.
 *
 * @param rows `[N, V]` logits or factors `hidden [N, D]`, `head [V, D]`
 * @param lengths spans are consecutive blocks of rows; they add up to N
 * @returns `[Σ n²]`: each span's n×n matrix flattened, one after another
 * @throws KdError `KD_SHAPE` when shapes or the sum of lengths disagree
 */
export function spanGrams(rows: StudentRows, lengths: readonly number[]): Tensor1D {
  const factors = "hidden" in rows;
  const half = factors && isLargeHalf(tensorOf(rows.head)) ? tensorOf(rows.head) : undefined; // widened a slice at a time
  const operands: Record<string, Operand<Tensor2D>> = factors
    ? { hidden: rows.hidden, ...(half === undefined ? { head: rows.head } : {}) }
    : { logits: rows };
  const specs: [string, Tensor, string][] = factors
    ? [
        ["hidden", tensorOf(rows.hidden), "N D"],
        ["head", tensorOf(rows.head), "V D"],
      ]
    : [["rows", tensorOf(rows), "N V"]];
  assertShapes("spanGrams", Object.fromEntries(specs.map(([name, tensor, spec]) => [name, [tensor, spec]])));
  const [count] = (specs[0] as [string, Tensor2D, string])[1].shape;
  const total = lengths.reduce((a, b) => a + b, 0);
  if (total !== count || lengths.some((n) => !(Number.isInteger(n) && n >= 0)))
    throw new KdError(
      "KD_SHAPE",
      `spanGrams: lengths must be whole and add up to the ${count} rows, got ${total} of ${lengths.length} spans`,
    );
  return differentiable(operands, (t) => {
    const multiply = product(fusedKernels());
    const { logits, hidden, head } = t as Record<string, Tensor2D>;
    const x = (logits ?? hidden) as Tensor2D; // Z·Zᵀ = x·metricᵀ with metric = x, or H·(WᵀW)
    const metric =
      logits ?? (half ? throughHalfHead : throughHead)(multiply, hidden as Tensor2D, (half ?? head) as Tensor2D);
    const value = spanOuterProducts(metric, x, spansOf(lengths));
    return {
      value,
      saved: logits ? [] : [metric],
      backward: (dy, [metric], wants) =>
        gradient(lengths, t as Record<string, Tensor2D>, metric as Tensor2D, dy, wants),
    };
  }) as Tensor1D;
}

/** Rows of logits whose product with the head costs less than `WᵀW`, or the other way round: the result is the same. */
const fewRows = (rows: number, head: Tensor2D): boolean =>
  2 * rows * head.shape[0] < head.shape[1] * (head.shape[0] + rows);

/** H·(WᵀW) = (H·Wᵀ)·W, `[N, D]`, in the cheaper order. Kernels make the logits of the second a slice of the vocabulary at a time. */
function throughHead(multiply: Product, hidden: Tensor2D, head: Tensor2D): Tensor2D {
  const [N, [V, D]] = [hidden.shape[0], head.shape];
  if (N === 0 || !fewRows(N, head))
    return tidy(() => multiply(hidden, multiply(head, head, true, false), false, false));
  const k = fusedKernels();
  if (k === undefined) return tidy(() => multiply(multiply(hidden, head, false, true), head, false, false));
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
  const few = fewRows(hidden.shape[0], head);
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

function gradient(
  lengths: readonly number[],
  { logits, hidden, head }: Record<string, Tensor2D>,
  metric: Tensor2D | undefined,
  dy: Tensor,
  wants: (name: string) => boolean,
): Record<string, Tensor> {
  const multiply = product(fusedKernels());
  const x = (logits ?? hidden) as Tensor2D;
  const spans = spansOf(lengths);
  const spread = (of: Tensor2D): Tensor2D => spanSymmetricProducts(dy, of, spans);
  const out: Record<string, Tensor> = {};
  if (wants("logits")) out.logits = spread(x);
  if (wants("hidden")) out.hidden = spread(metric as Tensor2D);
  if (wants("head")) {
    const [w, h, s] = [head as Tensor2D, x, spread(x)];
    out.head = multiply(w, multiply(h, s, true, false), false, false); // W·(Hᵀ(dG + dGᵀ)H)
  }
  return out;
}
