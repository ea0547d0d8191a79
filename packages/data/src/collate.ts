import { IGNORE_INDEX, KdError, type TokenBatch } from "@kd/contract";
import type { Sample } from "./encode.ts";

/**
 * Pads to the longest sample, on the right, or on the left for prompts that are continued together (`side`, default "right").
 * Ids and labels outside `vocabSize` throw `KD_DATA`.
 */
export function collate(
  samples: readonly Sample[],
  { padId, vocabSize, side = "right" }: { padId: number; vocabSize: number; side?: "left" | "right" },
): TokenBatch {
  const length = Math.max(0, ...samples.map((s) => s.inputIds.length));
  const inputIds = new Int32Array(samples.length * length).fill(padId);
  const labels = new Int32Array(inputIds.length).fill(IGNORE_INDEX);
  const attentionMask = new Uint8Array(inputIds.length);
  const valid = (id: number): boolean => Number.isInteger(id) && id >= 0 && id < vocabSize;
  let image = 0;
  const imageSpans = samples.flatMap((sample, b) => {
    const bad =
      sample.inputIds.find((id) => !valid(id)) ?? sample.labels.find((id) => id !== IGNORE_INDEX && !valid(id));
    if (bad !== undefined || sample.labels.length !== sample.inputIds.length)
      throw new KdError(
        "KD_DATA",
        `collate sample ${b}: expected as many labels as ids, all in 0…${vocabSize - 1}, got ${bad ?? `${sample.labels.length} labels`}; check tokenizer and vocabSize`,
      );
    const shift = side === "left" ? length - sample.inputIds.length : 0;
    const first = b * length + shift;
    inputIds.set(sample.inputIds, first);
    labels.set(sample.labels, first);
    attentionMask.fill(1, first, first + sample.inputIds.length);
    return sample.imageSpans.map((span) => ({
      sample: b,
      length: span.length,
      start: span.start + shift,
      image: image++,
    }));
  });
  return { inputIds, labels, attentionMask, shape: [samples.length, length], imageSpans };
}
