import { expect, it } from "vitest";
import { formatDuration, isMilestone, overwritingLine, progressLine } from "./progress-line.ts";

const report = {
  step: 42,
  loss: 2.18342,
  parts: { ce: 1.6204, "mdist.response": 0.41 },
  lr: 9.1e-4,
  gradNorm: 1,
  tokensPerSecond: 5420.4,
};

it("says stage, step, time left, loss by term, rate and speed in one line", () => {
  expect(progressLine(report, { stage: "dpt", totalSteps: 1000, millisecondsLeft: 68_000 })).toBe(
    "dpt 0042/1000 (4.2%) | eta 1m08s | loss 2.1834 | ce 1.620 mdist.response 0.410 | lr 9.1e-4 | 5,420 tok/s",
  );
  expect(progressLine({ ...report, parts: {}, tokensPerSecond: 0 }, { stage: "sft", totalSteps: 42 })).toBe(
    "sft 42/42 (100.0%) | loss 2.1834 | lr 9.1e-4",
  );
  expect(overwritingLine("abcdef", 5)).toBe("\r\x1b[Kabcd");
});

it("gives times as people say them, and a dozen lines a stage where nothing can be overwritten", () => {
  expect([42_000, 185_000, 3_720_000].map(formatDuration)).toEqual(["42s", "3m05s", "1h02m"]);
  const lines = Array.from({ length: 300 }, (_, i) => i + 1).filter((step) => isMilestone(step, 300));
  expect(lines).toEqual([1, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300]);
  expect([1, 2, 3].filter((step) => isMilestone(step, 3))).toEqual([1, 2, 3]);
});
