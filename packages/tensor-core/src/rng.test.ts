import { expect, it } from "vitest";
import { createRng, rngFromState } from "./rng.ts";

it("continues from a saved state as if it had never stopped", () => {
  const rng = createRng(7);
  rng.normal();
  const twin = rngFromState(rng.state());
  expect(Array.from({ length: 5 }, () => twin.next())).toEqual(Array.from({ length: 5 }, () => rng.next()));
});

it("is uniform in [0, 1) and standard normal", () => {
  const rng = createRng(1);
  const uniform = Array.from({ length: 20_000 }, () => rng.next());
  const normal = Array.from({ length: 20_000 }, () => rng.normal());
  const mean = (x: number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
  expect(uniform.every((x) => x >= 0 && x < 1)).toBe(true);
  expect(mean(uniform)).toBeCloseTo(0.5, 1.7);
  expect(mean(normal.map((x) => x * x))).toBeCloseTo(1, 1.3);
});

it("forks by label without moving", () => {
  const rng = createRng(3);
  const before = rng.state();
  expect(rng.fork("a").next()).not.toBe(rng.fork("b").next());
  expect(rng.fork("a").next()).toBe(rng.fork("a").next());
  expect(rng.state()).toEqual(before);
});
