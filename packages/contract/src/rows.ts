import { IGNORE_INDEX, type TokenBatch } from "./token-batch.ts";

/** Positions whose *next* label is supervised: exactly the rows of the shifted cross-entropy, as flat indices into `[B·T]`. */
export function responseRows({ labels, shape: [batch, length] }: TokenBatch): Int32Array {
  const rows: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let t = 0; t + 1 < length; t++) if (labels[b * length + t + 1] !== IGNORE_INDEX) rows.push(b * length + t);
  return Int32Array.from(rows);
}

/** The image positions themselves, span after span, as flat indices into `[B·T]`. */
export function visualRows({ imageSpans, shape: [, length] }: TokenBatch): Int32Array {
  const rows: number[] = [];
  for (const span of imageSpans) for (let i = 0; i < span.length; i++) rows.push(span.sample * length + span.start + i);
  return Int32Array.from(rows);
}
