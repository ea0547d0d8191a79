import { KdError } from "@kd/contract";
import { createRng } from "@kd/tensor-core";

const CHUNK = 16; // batches that are sorted by length together: little padding, yet no order by length

/**
 * Batches of record numbers as a function of the step, so that a resumed run reads the same: every epoch a new order, records of like
 * length together, an incomplete last batch left out.
 */
export function createSampler(
  lengths: readonly number[],
  batchSize: number,
  seed: number,
): (step: number) => readonly number[] {
  const perEpoch = Math.floor(lengths.length / batchSize);
  if (perEpoch === 0)
    throw new KdError(
      "KD_DATA",
      `sampler: expected at least ${batchSize} records, got ${lengths.length}; add data or take smaller batches`,
    );
  let drawn = -1;
  let batches: number[][] = [];
  const draw = (epoch: number): void => {
    const rng = createRng(seed).fork(`epoch ${epoch}`);
    const order = shuffle(Array.from(lengths.keys()), rng.int);
    batches = [];
    for (let start = 0; start < order.length; start += CHUNK * batchSize) {
      const chunk = order
        .slice(start, start + CHUNK * batchSize)
        .sort((a, b) => (lengths[a] as number) - (lengths[b] as number));
      for (let i = 0; i + batchSize <= chunk.length; i += batchSize) batches.push(chunk.slice(i, i + batchSize));
    }
    shuffle(batches, rng.int);
    drawn = epoch;
  };
  return (step) => {
    const epoch = Math.floor(step / perEpoch);
    if (epoch !== drawn) draw(epoch);
    return batches[step % perEpoch] as number[];
  };
}

function shuffle<T>(items: T[], int: (n: number) => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = int(i + 1);
    [items[i], items[j]] = [items[j] as T, items[i] as T];
  }
  return items;
}
