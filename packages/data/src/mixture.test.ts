import fc from "fast-check";
import { expect, it } from "vitest";
import { mixture, rankBatches } from "./index.ts";

const counted = (sources: { length: number; weight?: number }[], epoch: number, seed = 3): number[][] => {
  const { source, record } = mixture(sources, { seed, epoch });
  const times = sources.map(({ length }) => Array<number>(length).fill(0));
  for (const [i, s] of source.entries()) {
    const own = times[s] as number[];
    own[record[i] as number] = (own[record[i] as number] ?? 0) + 1;
  }
  return times;
};

it("sees each record as often as its weight says", () => {
  expect(counted([{ length: 3 }, { length: 2, weight: 3 }, { length: 2, weight: 0 }], 0)).toEqual([
    [1, 1, 1],
    [3, 3],
    [0, 0],
  ]);
});

it("takes another part each epoch, and all of it over the epochs of one pass", () => {
  const sources = [{ length: 10, weight: 1.2 }];
  const epochs = [0, 1, 2, 3, 4].map((epoch) => counted(sources, epoch)[0] as number[]);
  for (const times of epochs) expect(times.reduce((a, b) => a + b)).toBe(12);
  expect(epochs.reduce((sum, times) => sum.map((n, i) => n + (times[i] as number)))).toEqual(Array(10).fill(6));
  expect(counted(sources, 2)).toEqual(counted(sources, 2));
  expect(counted(sources, 0, 4)).not.toEqual(counted(sources, 0, 3));
});

it("loses no part of a record over the epochs, however small a source is", () => {
  for (const [length, weight, epochs] of [
    [3, 0.5, 6],
    [1, 0.25, 4],
    [7, 2.3, 10],
  ] as const) {
    const all = { length: 1, weight: 1 }; // an epoch of a small source alone may be empty
    const times = Array.from(
      { length: epochs },
      (_, epoch) => counted([{ length, weight }, all], epoch)[0] as number[],
    );
    const sum = times.reduce((total, each) => total.map((n, i) => n + (each[i] as number)));
    expect(sum).toEqual(Array(length).fill(weight * epochs));
  }
});

it("refuses weights that cannot be, and nothing at all", () => {
  expect(() => mixture([{ length: 1, weight: -1 }], { seed: 0, epoch: 0 })).toThrow(
    /source 0: expected a weight of at least 0, got -1/,
  );
  expect(() => mixture([{ length: 1, weight: 0 }], { seed: 0, epoch: 0 })).toThrow(/got 0 of 1 sources/);
  for (const weight of [1e9, 1e300])
    expect(() => mixture([{ length: 1000, weight }], { seed: 0, epoch: 0 })).toThrow(
      /expected 1…214000000 records a pass/,
    );
});

it("deals every position to exactly one rank, equally many batches each", () => {
  const sizes = fc.record({
    items: fc.nat(200),
    batchSize: fc.integer({ min: 1, max: 9 }),
    worldSize: fc.integer({ min: 1, max: 7 }),
  });
  fc.assert(
    fc.property(sizes, ({ items, batchSize, worldSize }) => {
      const given: number[] = [];
      for (let rank = 0; rank < worldSize; rank++) {
        const { count, at } = rankBatches(items, { batchSize, rank, worldSize });
        expect(count).toBe(Math.ceil(items / (batchSize * worldSize)));
        for (let batch = 0; batch < count; batch++) {
          const [start, end] = at(batch);
          expect(end - start).toBeLessThanOrEqual(batchSize);
          for (let i = start; i < end; i++) given.push(i);
        }
      }
      expect(given.sort((a, b) => a - b)).toEqual(Array.from({ length: items }, (_, i) => i));
    }),
    { seed: 5 },
  );
});
