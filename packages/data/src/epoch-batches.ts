import { KdError } from "@kd/contract";
import type { Cursor } from "./batches.ts";
import { type EpochOrder, epochOrder } from "./epoch-order.ts";
import { mixture } from "./mixture.ts";
import { rankBatches } from "./rank-batches.ts";

/** One record of one source. */
export interface Pick {
  /** Which of the sources. */
  readonly source: number;
  /** Which record of it. */
  readonly record: number;
}

/** What {@link epochBatches} draws from. */
export interface Drawable {
  /** Words of each record, negative for text only, 0 for a record that is left out because it cannot be read. */
  readonly lengths: Int32Array;
  /** How often an epoch sees each record; fractions take another part of the records each epoch. @defaultValue 1 */
  readonly weight?: number;
}

/**
 * Endless batches of one rank, as records to read; the same cursor gives the same batches whatever was read before. `next.offset` counts items of all
 * ranks: with `shuffle` and `sequential`, whose order does not depend on it, another number of ranks can go on from there. Fewer items than ranks at an epoch's end are left out.
 *
 * @throws KdError `KD_DATA` when nothing can be drawn
 */
export function* epochBatches(
  sources: readonly Drawable[],
  options: Omit<EpochOrder, "epoch"> & { rank?: number; cursor?: Cursor },
): Generator<{ picks: Pick[]; next: Cursor }> {
  const { seed, batchSize, worldSize = 1, rank = 0, cursor = { epoch: 0, offset: 0 } } = options;
  let { epoch, offset } = cursor;
  for (; ; epoch++, offset = 0) {
    const sized = sources.map(({ lengths, weight = 1 }) => ({ length: lengths.length, weight }));
    const mixed = mixture(sized, { seed, epoch });
    const wordsAt = (i: number): number => sources[mixed.source[i] as number]?.lengths[mixed.record[i] as number] ?? 0;
    const readable = new Uint32Array(mixed.source.length);
    let count = 0;
    for (let i = 0; i < readable.length; i++) if (wordsAt(i) !== 0) readable[count++] = i;
    const lengths = new Int32Array(count);
    for (let i = 0; i < count; i++) lengths[i] = wordsAt(readable[i] as number);
    const order = epochOrder(lengths, { ...options, epoch });
    const whole = count - ((count - offset) % (batchSize * worldSize));
    const items = (count - whole < worldSize ? whole : count) - offset; // a rank without an item would keep the others waiting
    const batches = rankBatches(items, { batchSize, rank, worldSize });
    if (items === 0 && offset === 0)
      throw new KdError(
        "KD_DATA",
        `epochBatches: expected at least ${worldSize} readable records, got ${count}; check the data`,
      );
    for (let batch = 0; batch < batches.count; batch++) {
      const picks: Pick[] = [];
      const [start, end] = batches.at(batch);
      for (let at = start; at < end; at++) {
        const i = readable[order[offset + at] as number] as number;
        picks.push({ source: mixed.source[i] as number, record: mixed.record[i] as number });
      }
      const given = offset + Math.min(items, (batch + 1) * batchSize * worldSize);
      yield { picks, next: batch + 1 < batches.count ? { epoch, offset: given } : { epoch: epoch + 1, offset: 0 } };
    }
  }
}
