import { argMax, createRng, type Tensor2D } from "@kd/tensor-core";
import { distributionOf, draw, penalizeRepetition } from "./distribution.ts";
import type { DecodingOptions } from "./options.ts";

/** The next id of every row from its logits `[B, V]`, which it frees. */
export type Choose = (logits: Tensor2D) => Promise<Int32Array>;

/** @param seen a row: ids of its prompt; those that are chosen are added */
export function chooser(options: DecodingOptions, seen: readonly Set<number>[]): Choose {
  const { temperature = 0, repetitionPenalty = 1, seed = 0 } = options;
  const streams = seen.map((_, row) => createRng(seed).fork(row));
  const onHost = async (logits: Tensor2D): Promise<Int32Array> => {
    const [rows, width] = logits.shape;
    const data = Float32Array.from(await logits.data());
    return Int32Array.from({ length: rows }, (_, row) => {
      const scores = data.subarray(row * width, (row + 1) * width);
      if (repetitionPenalty !== 1) penalizeRepetition(scores, seen[row] as Set<number>, repetitionPenalty);
      const uniform = streams[row]?.next() ?? 0;
      const id = temperature > 0 ? draw(distributionOf(scores, options), uniform) : indexOfLargest(scores);
      seen[row]?.add(id);
      return id;
    });
  };
  const onDevice = async (logits: Tensor2D): Promise<Int32Array> => {
    const best = argMax(logits, -1);
    try {
      return Int32Array.from(await best.data());
    } finally {
      best.dispose();
    }
  };
  const choose = temperature === 0 && repetitionPenalty === 1 ? onDevice : onHost;
  return async (logits) => {
    try {
      return await choose(logits);
    } finally {
      logits.dispose();
    }
  };
}

function indexOfLargest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}
