import { createRng } from "@kd/tensor-core";
import { expect, test } from "vitest";
import { augment, augmentScene, plainPixels, scenePixels } from "./augment.ts";
import type { Drawn } from "./canvas.ts";

const SIDE = 48;

function drawing(colourAt: (x: number, y: number) => readonly [number, number, number, number]): Drawn {
  const pixels = Array.from({ length: SIDE * SIDE }, (_, i) => colourAt(i % SIDE, Math.floor(i / SIDE)));
  return { rgba: Uint8Array.from(pixels.flat()) };
}
const at = (pixels: Float32Array, x: number, y: number): number[] => [
  ...pixels.subarray((y * SIDE + x) * 3, (y * SIDE + x) * 3 + 3),
];
const red = drawing(() => [255, 0, 0, 255]);
const empty = drawing(() => [255, 0, 0, 0]);
const disc = drawing((x, y) => [200, 100, 40, (x - 23.5) ** 2 + (y - 23.5) ** 2 < 15 ** 2 ? 255 : 0]);

test("plain pixels are the drawing on white, in [-1, 1]", () => {
  expect(at(plainPixels(red), 5, 5)).toEqual([1, -1, -1]);
  expect(plainPixels(empty).every((value) => value === 1)).toBe(true);
  const half = at(plainPixels(drawing(() => [0, 0, 0, 51])), 0, 0);
  for (const value of half) expect(value).toBeCloseTo(2 * 0.8 - 1, 6);
});

test("a scene has each drawing at half size in its corner", () => {
  const stripes = drawing((x) => (x % 2 ? [255, 255, 255, 255] : [0, 0, 0, 255]));
  const pixels = scenePixels([red, null, stripes, red]);
  expect(at(pixels, 0, 0)).toEqual([1, -1, -1]);
  expect(at(pixels, 23, 23)).toEqual([1, -1, -1]);
  expect(at(pixels, 24, 23)).toEqual([1, 1, 1]);
  expect(at(pixels, 24, 24)).toEqual([1, -1, -1]);
  for (const value of at(pixels, 10, 30)) expect(value).toBeCloseTo(0, 6);
  expect(() => scenePixels([red])).toThrow("scene: expected 4 cells, got 1");
});

test("an augmented drawing is the same for the same seed, stays in [-1, 1] and varies", () => {
  expect(augment(disc, createRng(7))).toEqual(augment(disc, createRng(7)));
  expect(augment(disc, createRng(7))).not.toEqual(augment(disc, createRng(8)));
  const rng = createRng(1);
  let tinted = 0;
  for (let i = 0; i < 300; i++) {
    const pixels = augment(disc, rng);
    expect(pixels.length).toBe(SIDE * SIDE * 3);
    expect(pixels.every((value) => value >= -1 && value <= 1 + 1e-6)).toBe(true);
    if (at(pixels, 0, 0).some((value) => value < 1)) tinted++;
  }
  expect(tinted / 300).toBeGreaterThan(0.2);
  expect(tinted / 300).toBeLessThan(0.4);
});

test("augmentation is weak: the drawing keeps 0.6 to 1.5 of its area and its middle stays on the picture", () => {
  const rng = createRng(2);
  const area = Math.PI * 15 ** 2;
  for (let i = 0; i < 200; i++) {
    const pixels = augment(disc, rng);
    let [count, sumX, sumY] = [0, 0, 0];
    for (let y = 0; y < SIDE; y++)
      for (let x = 0; x < SIDE; x++)
        if ((at(pixels, x, y)[2] as number) < 0) {
          count++;
          sumX += x;
          sumY += y;
        }
    expect(count / area).toBeGreaterThan(0.6);
    expect(count / area).toBeLessThan(1.5);
    expect(Math.abs(sumX / count - 23.5)).toBeLessThan(9);
    expect(Math.abs(sumY / count - 23.5)).toBeLessThan(9);
  }
});

test("objects of an augmented scene stay in their corners", () => {
  const rng = createRng(3);
  let strays = 0;
  for (let i = 0; i < 50; i++) {
    const pixels = augmentScene([null, disc, null, null], rng);
    for (let y = 0; y < SIDE; y++)
      for (let x = 0; x < SIDE; x++)
        if (x < 24 - 2 || y > 24 + 2) strays += at(pixels, x, y).filter((value) => value !== 1).length;
    expect(at(pixels, 36, 12)[2]).toBeLessThan(0);
  }
  expect(strays).toBe(0);
});
