import { KdError } from "@kd/contract";
import {
  addN,
  div,
  type LogitRows,
  maximum,
  mul,
  reshape,
  type Scalar,
  type StudentRows,
  scalar,
  selectRows,
  slice,
  spanGrams,
  sqrt,
  square,
  stack,
  sub,
  sum,
  type Tensor,
  tidy,
  unstack,
} from "@kd/tensor-core";
import { firstIds, vocabularyOf } from "./first-ids.ts";

/** Options of {@link rdist}. */
export interface RdistOptions {
  /** Visual rows, span after span: `[N, V]` logits, or factors `hidden [N, D]`, `head [V, D]`; gets gradients unless constant. */
  readonly student: StudentRows;
  /** The same rows, `[N, V']` logits or factors of any width; gets no gradient. */
  readonly teacher: LogitRows;
  /** Rows of each span; they add up to N. */
  readonly lengths: readonly number[];
  /** Indices of the rows to read, such as `visualRows(batch)` of `@kd/contract`. @defaultValue every row */
  readonly rows?: Int32Array;
  /**
   * `per-span`: the mean of every span's distance, the paper's. `whole-batch`: one distance of all spans' Gram matrices as one vector, the
   * authors' release.
   * @defaultValue "per-span"
   */
  readonly flavour?: "per-span" | "whole-batch";
  /**
   * What the distances are divided by when this is one micro-batch of a step: the step's spans (`per-span`) or its micro-batches with
   * images (`whole-batch`). @defaultValue the spans given, or 1
   */
  readonly count?: number;
}

/**
 * Relation distillation: 1 − cosine of the student's and the teacher's Gram matrix Z·Zᵀ of the logits of a span's visual tokens, over the common
 * vocabulary: the first min(V, V') ids. 0 without spans.
 *
 * @throws KdError `KD_SHAPE` when lengths and rows disagree; `KD_CONFIG` for a count or flavour that cannot be.
 */
export function rdist({ student, teacher, lengths, rows, flavour = "per-span", count }: RdistOptions): Scalar {
  if (flavour !== "per-span" && flavour !== "whole-batch")
    throw new KdError("KD_CONFIG", `rdist: flavour must be "per-span" or "whole-batch", got "${flavour}"`);
  const spans = lengths.filter((n) => n > 0);
  const share = count ?? (flavour === "per-span" ? spans.length : 1);
  if (!(share >= 0) || (share === 0 && spans.length > 0))
    throw new KdError(
      "KD_CONFIG",
      `rdist: count must be above 0 for ${spans.length} spans, got ${share}; leave it out for a plain mean`,
    );
  return tidy(() => {
    const common = Math.min(vocabularyOf(student), vocabularyOf(teacher));
    const ours = spanGrams(firstIds(rows ? selectRows(student, rows) : student, common), lengths);
    const theirs = spanGrams(firstIds(rows ? selectRows(teacher, rows) : teacher, common), lengths);
    if (spans.length === 0) return mul(scalar(0), sum(ours)) as Scalar; // still a function of the student: its gradient is 0, not missing
    let at = 0;
    const products = spans.map((n) => {
      const [a, b] = [ours, theirs].map((grams) => reshape(slice(grams, at, n * n), [n, n])) as [Tensor, Tensor];
      at += n * n;
      return stack([total(mul(a, b)), total(square(a)), total(square(b))]);
    });
    const distances = (flavour === "per-span" ? products : [addN(products)]).map(distance);
    return div(addN(distances), share) as Scalar;
  });
}

/** Rows first: tfjs adds a long vector up one after another in float32. */
const total = (matrix: Tensor): Tensor => sum(sum(matrix, 1));

/** `[⟨a, b⟩, ⟨a, a⟩, ⟨b, b⟩]` → 1 − cosine; each root alone, as the product of the squares leaves float32's range. */
function distance(products: Tensor): Tensor {
  const [ab, aa, bb] = unstack(products) as [Tensor, Tensor, Tensor];
  return sub(1, div(div(ab, sqrt(maximum(aa, TINY))), sqrt(maximum(bb, TINY))));
}

/** A Gram matrix of zeros has no direction: its distance is 1, and finite. */
const TINY = 1e-30;
