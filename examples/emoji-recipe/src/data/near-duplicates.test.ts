import { expect, test } from "vitest";
import type { Drawn } from "./canvas.ts";
import { nearDuplicates } from "./near-duplicates.ts";

const opaque = (value: (i: number) => number): Drawn => ({
  rgba: Uint8Array.from({ length: 48 * 48 * 4 }, (_, i) => (i % 4 === 3 ? 255 : value(i))),
});
const noise = (i: number): number => Math.imul(i + 1, 0x9e3779b1) >>> 20;
const areNear = (a: Drawn, b: Drawn): boolean => nearDuplicates([a], [b]).length === 1;

test("pictures count as one up to a mean difference of 10 in 0…255, on white", () => {
  const gray = opaque(() => 128);
  expect(
    areNear(
      gray,
      opaque(() => 138),
    ),
  ).toBe(true);
  expect(
    areNear(
      gray,
      opaque(() => 139),
    ),
  ).toBe(false);
  const clear = { rgba: new Uint8Array(48 * 48 * 4) };
  expect(
    areNear(
      clear,
      opaque(() => 246),
    ),
  ).toBe(true);
  expect(
    areNear(
      clear,
      opaque(() => 244),
    ),
  ).toBe(false);
});

test("a fine pattern counts by its 32×32 pixels, each the mean of its area", () => {
  const black = opaque(() => 0); // of three columns, two outputs see 2/3 and 0 of the first
  const columns = (bright: number): Drawn => opaque((i) => ((i >> 2) % 3 === 0 ? bright : 0));
  expect(areNear(columns(29), black)).toBe(true); // mean 29/3
  expect(areNear(columns(31), black)).toBe(false);
  const checks = opaque((i) => ((i >> 2) % 2 ? 148 : 108)); // 20 from 128 at 48×48, 20/3 at 32×32
  expect(
    areNear(
      checks,
      opaque(() => 128),
    ),
  ).toBe(true);
});

test("block means rule out no pair that is near", () => {
  const base = Array.from({ length: 12 }, (_, n) => opaque((i) => noise(i + n * 10_007) % 256));
  const near = base.map(({ rgba }) => opaque((i) => Math.min(255, (rgba[i] as number) + (noise(i) % 16))));
  const inverted = base.map(({ rgba }) => opaque((i) => 255 - (rgba[i] as number))); // the same block means, nearly
  expect(nearDuplicates([...near, ...inverted], base)).toEqual(near);
});
