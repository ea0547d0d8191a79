import { KdError } from "@kd/contract";
import { isLargeHalf } from "../half.ts";
import { fusedKernels } from "../kernels/fused-kernels.ts";
import { differentiable, type Operand, tensorOf } from "../operand.ts";
import { fill, sub, type Tensor, type Tensor1D, type Tensor2D, tidy } from "../ops.ts";
import { assertShapes } from "../shape.ts";
import { headCentre, spreadThroughHead, throughHead } from "./head-metric.ts";
import { product } from "./product.ts";
import type { StudentRows } from "./row-losses.ts";
import { spanOuterProducts, spanSymmetricProducts, spansOf } from "./span-products.ts";

/**
 * Gram matrices Z·Zᵀ of spans of logits. Through factors they are H·(WᵀW)·Hᵀ: the logits are never made at once.
 *
 * @param rows `[N, V]` logits or factors `hidden [N, D]`, `head [V, D]`
 * @param lengths spans are consecutive blocks of rows; they add up to N
 * @param options.centreVocabulary whether each row of Z is taken minus its mean over the vocabulary; through factors that is one row of
 * width D more, not another head. @defaultValue false
 * @returns `[Σ n²]`: each span's n×n matrix flattened, one after another
 * @throws KdError `KD_SHAPE` when shapes or the sum of lengths disagree
 */
export function spanGrams(
  rows: StudentRows,
  lengths: readonly number[],
  { centreVocabulary = false }: { readonly centreVocabulary?: boolean } = {},
): Tensor1D {
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
  const spans = spansOf(lengths);
  return differentiable(operands, (t) => {
    const { logits, hidden, head } = t as Record<string, Tensor2D>;
    if (logits !== undefined) {
      const z = centreVocabulary ? centredRows(logits) : logits;
      return {
        value: spanOuterProducts(z, z, spans),
        saved: centreVocabulary ? [z] : [],
        reads: centreVocabulary ? [] : ["logits"],
        // A gradient made of centred rows needs no centring.
        backward: (dy, [z = t.logits as Tensor2D]) => ({ logits: spanSymmetricProducts(dy, z as Tensor2D, spans) }),
      };
    }
    const w = half ?? (head as Tensor2D);
    const centre = centreVocabulary ? headCentre(w) : undefined;
    const metric = throughHead(hidden as Tensor2D, w, centre); // Z·Zᵀ = metric·Hᵀ
    return {
      value: spanOuterProducts(metric, hidden as Tensor2D, spans),
      saved: centre === undefined ? [metric] : [metric, centre],
      backward: (dy, [metric, centre], wants) => {
        const [h, w] = [t.hidden as Tensor2D, t.head as Tensor2D];
        const spread = (of: Tensor2D): Tensor2D => spanSymmetricProducts(dy, of, spans);
        const inner = () => product(fusedKernels())(h, spread(h), true, false); // Hᵀ(dG + dGᵀ)H
        return {
          ...(wants("hidden") ? { hidden: spread(metric as Tensor2D) } : {}),
          ...(wants("head") ? { head: spreadThroughHead(w, inner(), centre as Tensor2D | undefined) } : {}),
        };
      },
    };
  }) as Tensor1D;
}

/** As a product, not a sum: tfjs adds a long row up one number after another in float32. */
function centredRows(logits: Tensor2D): Tensor2D {
  const width = logits.shape[1];
  return tidy(() => {
    const means = product(fusedKernels())(logits, fill([width, 1], 1 / width) as Tensor2D, false, false);
    return sub(logits, means) as Tensor2D;
  });
}
