import { KdError } from "@kd/contract";
import { reshape, slice, type Tensor, type Tensor3D } from "@kd/tensor-core";

/** Neighbouring spans of one length, which one operation can read together. */
export interface SpanRun {
  /** First row. */
  readonly row: number;
  /** First element of the first span's n×n matrix. */
  readonly at: number;
  readonly spans: number;
  /** Rows of each. */
  readonly n: number;
}

/** Spans in runs; empty ones are left out. */
export function spanRuns(lengths: readonly number[]): readonly SpanRun[] {
  const runs: SpanRun[] = [];
  let [row, at] = [0, 0];
  for (const n of lengths) {
    const last = runs.at(-1);
    if (n > 0 && last?.n === n) runs[runs.length - 1] = { ...last, spans: last.spans + 1 };
    else if (n > 0) runs.push({ row, at, spans: 1, n });
    row += n;
    at += n * n;
  }
  return runs;
}

/** A run's matrices, `[spans, n, n]`. */
export const matricesOf = (grams: Tensor, { at, spans, n }: SpanRun): Tensor3D =>
  reshape(slice(grams, at, spans * n * n), [spans, n, n]) as Tensor3D;

/** @throws KdError `KD_SHAPE` when lengths are no row counts or do not add up. */
export function assertLengths(where: string, lengths: readonly number[], rows: number): void {
  const total = lengths.reduce((a, b) => a + b, 0);
  if (total !== rows || lengths.some((n) => !(Number.isInteger(n) && n >= 0)))
    throw new KdError(
      "KD_SHAPE",
      `${where}: lengths must be whole and add up to the ${rows} rows, got ${total} of ${lengths.length} spans; give the rows of each picture`,
    );
}
