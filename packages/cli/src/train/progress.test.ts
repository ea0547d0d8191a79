import { expect, it } from "vitest";
import { duration, progressLine } from "./progress.ts";

it("a step is one line, both parts of MDist one term", () => {
  const parts = { ce: 1.62, "mdist.response": 0.3, "mdist.visual": 0.11, rdist: 0.15 };
  const report = { step: 420, loss: 2.18342, parts, lr: 9.1e-4, gradNorm: 1, tokensPerSecond: 5420.3 };
  expect(progressLine("dpt", 1000, report, { milliseconds: 118.2, left: 68_440 })).toBe(
    "dpt 00420 (42.0%) | loss 2.1834 | ce 1.620 mdist 0.410 rdist 0.150 | lr 9.1e-4 | 118 ms | 5,420 tok/s | eta 1m08s",
  );
});

it.each([
  [400, "0s"],
  [59_400, "59s"],
  [59_600, "1m00s"],
  [3_599_000, "59m59s"],
  [3_720_000, "1h02m"],
])("%d ms are %s", (milliseconds, text) => {
  expect(duration(milliseconds)).toBe(text);
});
