import { add, mul, type Scalar } from "@kd/tensor-core";
import { type ForwardKlOptions, forwardKl } from "./forward-kl.ts";

/** Options of {@link mdist}; rows and counts for each of its two terms. */
export interface MdistOptions extends Omit<ForwardKlOptions, "rows" | "count"> {
  /** Rows whose next token is supervised: `responseRows(batch)` of `@kd/contract`. */
  readonly responseRows: Int32Array;
  /** Rows of image tokens: `visualRows(batch)`. */
  readonly visualRows: Int32Array;
  /** Weight of the response term, α. @defaultValue 1, the paper's */
  readonly responseWeight?: number;
  /** Weight of the visual term, β. @defaultValue 1, the paper's */
  readonly visualWeight?: number;
  /** @defaultValue the rows of each term */
  readonly counts?: { readonly response: number; readonly visual: number };
}

/** Scalars, the caller's to dispose. */
export interface Mdist {
  /** `responseWeight · response + visualWeight · visual` */
  readonly loss: Scalar;
  /** Mean KL of the response rows, without its weight. */
  readonly response: Scalar;
  /** Mean KL of the visual rows, without its weight. */
  readonly visual: Scalar;
}

/** Multimodal distillation: the forward KL on response rows and on visual rows of one batch, its positions flattened to rows. */
export function mdist({
  responseRows,
  visualRows,
  responseWeight = 1,
  visualWeight = 1,
  counts = { response: responseRows.length, visual: visualRows.length },
  ...shared
}: MdistOptions): Mdist {
  const response = forwardKl({ ...shared, rows: responseRows, count: counts.response });
  const visual = forwardKl({ ...shared, rows: visualRows, count: counts.visual });
  const weighted = [mul(response, responseWeight), mul(visual, visualWeight)] as const;
  const loss = add(...weighted) as Scalar;
  for (const term of weighted) term.dispose();
  return { loss, response, visual };
}
