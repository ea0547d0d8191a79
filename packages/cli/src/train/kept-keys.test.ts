import { createHash } from "node:crypto";
import { keyHash } from "@kd/disk-cache/node";
import { expect, it } from "vitest";
import { keptKeys, keysMemory } from "./kept-keys.ts";

const sums = Array.from({ length: 3000 }, (_, i) => createHash("sha256").update(`${i}`).digest("hex"));

it("what one side adds, another that has the memory finds; nothing else", () => {
  const mine = keptKeys(keysMemory(1000));
  const theirs = keptKeys(mine.memory);
  expect(theirs.has(sums[0] as string)).toBe(false);
  const kept = sums.slice(0, 1000);
  for (const sum of kept) expect(mine.add(sum)).toBe(true);
  expect(sums.filter(theirs.has)).toEqual(kept);
  expect(mine.add(kept[3] as string)).toBe(true); // again
});

it("says when it is full, and still ends every search", () => {
  const keys = keptKeys(keysMemory(4));
  expect(sums.slice(0, 10).filter(keys.add)).toHaveLength(4);
  expect(sums.filter(keys.has)).toHaveLength(4);
  const zeros = keptKeys(keysMemory(2));
  expect(["0".repeat(32), "0".repeat(32), "f".repeat(32)].map(zeros.addHash)).toEqual([true, true, true]);
  expect(zeros.addHash("1".repeat(32))).toBe(false);
});

it("knows what a cache on disk lists, under its prefix alone", () => {
  const [mine, other] = [keptKeys(keysMemory(4, "tower ")), keptKeys(keysMemory(4, "another "))];
  for (const keys of [mine, other]) keys.addHash(keyHash("tower picture"));
  expect([mine.has("picture"), other.has("picture")]).toEqual([true, false]);
});
