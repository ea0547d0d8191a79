import {
  concat,
  constant,
  customGrad,
  mean,
  type Operand,
  reshape,
  type StudentRows,
  slice,
  sub,
  type Tensor,
  type Tensor2D,
  tidy,
} from "@kd/tensor-core";
import { type SpanRun, spanRuns } from "./span-runs.ts";

/** Rows minus the mean row of their span: of dense rows, or of the hidden states, which does the same to their logits. */
export function centreTokens(rows: StudentRows, lengths: readonly number[]): StudentRows {
  const runs = spanRuns(lengths);
  if (runs.length === 0) return rows;
  // The gradient of a centring is centred: one operation each way, and none of its parts on the tape.
  const taped = customGrad((x) => ({ value: centred(x as Tensor, runs), gradFunc: (dy: Tensor) => centred(dy, runs) }));
  const centre = (x: Operand<Tensor2D>): Operand<Tensor2D> =>
    "constant" in x ? constant(centred(x.constant, runs) as Tensor2D) : (taped(x) as Tensor2D);
  return "hidden" in rows ? { hidden: centre(rows.hidden), head: rows.head } : centre(rows);
}

function centred(x: Tensor, runs: readonly SpanRun[]): Tensor {
  const width = x.shape[1] as number;
  return tidy(() => {
    const parts = runs.map(({ row, spans, n }) => {
      const block = reshape(slice(x, [row, 0], [spans * n, width]), [spans, n, width]);
      // First minus the first row: rows that are all equal come out as 0, not as noise that a cosine would blow up.
      const shifted = sub(block, slice(block, [0, 0, 0], [spans, 1, width]));
      return reshape(sub(shifted, mean(shifted, 1, true)), [spans * n, width]);
    });
    return parts.length === 1 ? (parts[0] as Tensor) : concat(parts, 0);
  });
}
