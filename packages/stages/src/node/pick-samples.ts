import type { ImageBatch, TokenBatch } from "@kd/contract";

/** Some samples of a batch with their images alone; the batch itself when all are picked. */
export function pickSamples(batch: TokenBatch, samples: readonly number[]): TokenBatch {
  const [count, length] = batch.shape;
  if (samples.length === count) return batch;
  const imageSpans = samples.flatMap((sample, i) =>
    batch.imageSpans.filter((span) => span.sample === sample).map((span) => ({ ...span, sample: i })),
  );
  const used = [...new Set(imageSpans.map(({ image }) => image))].sort((a, b) => a - b);
  const pick = <T extends Int32Array | Uint8Array>(values: T): T => {
    const picked = values.slice(0, samples.length * length) as T;
    for (const [i, sample] of samples.entries())
      picked.set(values.subarray(sample * length, (sample + 1) * length), i * length);
    return picked;
  };
  return {
    inputIds: pick(batch.inputIds),
    labels: pick(batch.labels),
    attentionMask: pick(batch.attentionMask),
    shape: [samples.length, length],
    imageSpans: imageSpans.map((span) => ({ ...span, image: used.indexOf(span.image) })),
    ...(batch.images === undefined || used.length === 0 ? {} : { images: pickImages(batch.images, used) }),
  };
}

function pickImages(images: ImageBatch, used: readonly number[]): ImageBatch {
  const size = images.data.length / images.shape[0];
  const data = new Float32Array(used.length * size);
  for (const [i, image] of used.entries()) data.set(images.data.subarray(image * size, (image + 1) * size), i * size);
  if (images.kind === "features") return { ...images, data, shape: [used.length, images.shape[1], images.shape[2]] };
  return { ...images, data, shape: [used.length, images.shape[1], images.shape[2], images.shape[3]] };
}
