import { expect, it } from "vitest";
import { createSampler } from "./sampler.ts";

const lengths = Array.from({ length: 203 }, (_, i) => 5 + ((i * 7) % 11));

it("is a function of the step: a resumed run reads what a straight one reads", () => {
  const straight = createSampler(lengths, 8, 3);
  const first = Array.from({ length: 60 }, (_, step) => [...straight(step)]);
  const resumed = createSampler(lengths, 8, 3);
  expect([...resumed(40)]).toEqual(first[40]);
  expect([...resumed(3)]).toEqual(first[3]);
  expect([...createSampler(lengths, 8, 4)(0)]).not.toEqual(first[0]);
});

it("gives every record at most once an epoch, in full batches of like length", () => {
  const sampler = createSampler(lengths, 8, 3);
  const epoch = Array.from({ length: Math.floor(203 / 8) }, (_, step) => sampler(step));
  expect(epoch.every((batch) => batch.length === 8)).toBe(true);
  expect(new Set(epoch.flat()).size).toBe(epoch.flat().length);
  const spread = epoch.map((batch) => {
    const own = batch.map((i) => lengths[i] as number);
    return Math.max(...own) - Math.min(...own);
  });
  expect(spread.reduce((a, b) => a + b, 0) / spread.length).toBeLessThan(4); // without grouping about 9
});

it("names too few records instead of giving empty batches", () => {
  expect(() => createSampler([5, 6], 8, 1)).toThrow("expected at least 8 records, got 2");
});
