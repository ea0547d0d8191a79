import { expect, it } from "vitest";
import { batches, parseConversations, shuffledIndices } from "./index.ts";

const items = Array.from({ length: 7 }, (_, i) => i);
const take = (n: number, cursor = { epoch: 0, offset: 0 }) => {
  const run = batches(items, { batchSize: 3, seed: 5, cursor });
  return Array.from({ length: n }, () => run.next().value);
};

it("shuffles every item once and depends on the seed", () => {
  expect(shuffledIndices(7, 1).toSorted()).toEqual(items);
  expect(shuffledIndices(50, 1)).not.toEqual(shuffledIndices(50, 2));
});

it("resumes from every cursor, across epochs", () => {
  const all = take(7);
  for (let i = 0; i < 6; i++) expect(take(6 - i, all[i]?.next)).toEqual(all.slice(i + 1));
});

it("names file and index of a malformed record", () => {
  expect(() => parseConversations([{ id: "x" }], { file: "a.json" })).toThrow(/a\.json\[0\]/);
});
