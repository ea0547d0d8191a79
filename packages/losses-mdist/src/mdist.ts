import { KdError } from "@kd/contract";
import { add, type Divergence, mul, type Scalar } from "@kd/tensor-core";
import { type DivergenceOptions, rowDivergence } from "./row-divergence.ts";

/** Options of {@link mdist}; rows and counts for each of its two terms. */
export interface MdistOptions extends Omit<DivergenceOptions, "rows" | "count"> {
  /** Rows whose next token is supervised: `responseRows(batch)` of `@kd/contract`. */
  readonly responseRows: Int32Array;
  /** Rows of image tokens: `visualRows(batch)`. */
  readonly visualRows: Int32Array;
  /** Of both terms. @defaultValue the forward KL, the paper's */
  readonly divergence?: Divergence;
  /** Weight of the response term, α. @defaultValue 1, the paper's */
  readonly responseWeight?: number;
  /** Weight of the visual term, β. @defaultValue 1, the paper's */
  readonly visualWeight?: number;
  /** @defaultValue the rows of each term, or their weights' sum */
  readonly counts?: { readonly response: number; readonly visual: number };
}

/** Scalars, the caller's to dispose. */
export interface Mdist {
  /** `responseWeight · response + visualWeight · visual` */
  readonly loss: Scalar;
  /** Mean divergence of the response rows, without its weight. */
  readonly response: Scalar;
  /** Mean divergence of the visual rows, without its weight. */
  readonly visual: Scalar;
}

/**
 * Multimodal distillation: one divergence on response rows and on visual rows of a batch, its positions flattened to rows.
 *
 * @throws KdError as `forwardKl`; `KD_CONFIG` for a term's weight that is negative or not finite.
 */
export function mdist({
  responseRows,
  visualRows,
  divergence = { kind: "forwardKl" },
  responseWeight = 1,
  visualWeight = 1,
  counts,
  ...shared
}: MdistOptions): Mdist {
  for (const [name, weight] of Object.entries({ responseWeight, visualWeight }))
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY))
      throw new KdError("KD_CONFIG", `mdist: ${name} must be at least 0 and finite, got ${weight}`);
  const term = (rows: Int32Array, count: number | undefined): Scalar =>
    rowDivergence("mdist", divergence, { ...shared, rows, ...(count === undefined ? {} : { count }) });
  const response = term(responseRows, counts?.response);
  const visual = term(visualRows, counts?.visual);
  const weighted = [mul(response, responseWeight), mul(visual, visualWeight)] as const;
  const loss = add(...weighted) as Scalar;
  for (const part of weighted) part.dispose();
  return { loss, response, visual };
}
