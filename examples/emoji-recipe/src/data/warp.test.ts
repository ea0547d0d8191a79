import { expect, test } from "vitest";
import { warp } from "./warp.ts";

const SIDE = 48;
const still = { scale: 1, angle: 0, left: 0, up: 0 };
const canvas = Float32Array.from({ length: SIDE * SIDE * 4 }, (_, i) => ((i * 7919) % 1009) / 1009);
const at = (c: Float32Array, x: number, y: number): number[] => [
  ...c.subarray((y * SIDE + x) * 4, (y * SIDE + x) * 4 + 4),
];

test("standing still changes nothing", () => {
  expect(warp(canvas, still)).toEqual(canvas);
});

test("a shift of whole pixels moves the drawing left and up and leaves the rest empty", () => {
  const moved = warp(canvas, { ...still, left: 6 / 48, up: 2 / 48 }); // half-widths: 3 pixels and 1
  expect(at(moved, 10, 10)).toEqual(at(canvas, 13, 11));
  expect(at(moved, 47, 10)).toEqual([0, 0, 0, 0]);
});

test("half a pixel is the mean of two", () => {
  const moved = warp(canvas, { ...still, left: 1 / 48 });
  const [a, b] = [at(canvas, 5, 7), at(canvas, 6, 7)];
  for (const [c, value] of at(moved, 5, 7).entries())
    expect(value).toBeCloseTo(((a[c] as number) + (b[c] as number)) / 2, 6);
});

test("a quarter turn and twice the grid are about the middle", () => {
  const turned = warp(canvas, { ...still, angle: Math.PI / 2 });
  for (const [c, value] of at(turned, 10, 20).entries())
    expect(value).toBeCloseTo(at(canvas, 47 - 20, 10)[c] as number, 5);
  const small = warp(canvas, { ...still, scale: 2 });
  expect(at(small, 5, 24)).toEqual([0, 0, 0, 0]);
  expect(at(small, 24, 24).every((value) => value > 0)).toBe(true);
});
