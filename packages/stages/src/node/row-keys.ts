import { IGNORE_INDEX, type TokenBatch } from "@kd/contract";
import { contentHash } from "@kd/disk-cache/node";

/** Where a sample's rows are kept, and how many they are. */
export interface SampleKeys {
  /** Undefined where nothing is supervised. */
  readonly response: string | undefined;
  readonly responseRows: number;
  /** A key for each of the sample's spans, in the order of the batch's. */
  readonly visual: readonly string[];
}

/**
 * Keys of what a causal teacher's rows depend on: of a picture's rows itself and what stands before it, so that one entry serves every question
 * about it; of the response rows all ids up to the last and which they are. Padding is none of it.
 */
export function keysOf(batch: TokenBatch): SampleKeys[] {
  const { inputIds, labels, attentionMask, shape, imageSpans } = batch;
  const [count, length] = shape;
  const pictures = pictureHashes(batch);
  return Array.from({ length: count }, (_, sample) => {
    const from = sample * length;
    const ids = new Int32Array(length);
    const placeOf = new Int32Array(length + 1); // of a position among the sample's real ones
    let real = 0;
    for (let t = 0; t < length; t++) {
      placeOf[t] = real;
      if (attentionMask[from + t] === 1) ids[real++] = inputIds[from + t] as number;
    }
    placeOf[length] = real;
    const spans = imageSpans.filter((span) => span.sample === sample);
    const pictureBefore = (end: number): string[] =>
      spans
        .filter((span) => span.start < end)
        .map((span) => `${placeOf[span.start]}+${span.length} ${pictures.get(span.image)}`)
        .sort();
    const rows: number[] = [];
    for (let t = 0; t + 1 < length; t++) if (labels[from + t + 1] !== IGNORE_INDEX) rows.push(t);
    const last = rows.at(-1);
    const prefix = (end: number) => [ids.subarray(0, placeOf[end]), ...pictureBefore(end)];
    return {
      response:
        last === undefined
          ? undefined
          : contentHash([Int32Array.from(rows, (t) => placeOf[t] as number), ...prefix(last + 1)]),
      responseRows: rows.length,
      visual: spans.map(({ start, length: tokens }) =>
        contentHash([`at ${placeOf[start]}`, ...prefix(start + tokens)]),
      ),
    };
  });
}

/** Each span of a batch with its key, in the order of its visual rows. */
export function visualKeys(
  { imageSpans }: TokenBatch,
  keys: readonly SampleKeys[],
): (readonly [TokenBatch["imageSpans"][number], string])[] {
  const next = new Map<number, number>();
  return imageSpans.map((span) => {
    const place = next.get(span.sample) ?? 0;
    next.set(span.sample, place + 1);
    return [span, keys[span.sample]?.visual[place] as string] as const;
  });
}

/** Content of each picture that a span shows. */
function pictureHashes({ images, imageSpans }: TokenBatch): Map<number, string> {
  const hashes = new Map<number, string>();
  if (images === undefined) return hashes;
  const [, ...each] = images.shape;
  const size = each.reduce((product, n) => product * n, 1);
  for (const { image } of imageSpans)
    if (!hashes.has(image)) {
      const data = images.data.subarray(image * size, (image + 1) * size);
      const tower = images.kind === "features" ? images.tower : "";
      hashes.set(image, contentHash([`${images.kind} ${each} ${tower}`, data]));
    }
  return hashes;
}
