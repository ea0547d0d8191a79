import { expect, it } from "vitest";
import type { StageConfig } from "./config.ts";
import { microBatchSize } from "./stage-steps.ts";

it.each([
  [128, 8, 8],
  [10, 8, 5],
  [7, 4, 1],
  [4, 16, 4],
])("a step of %i, at most %i at a time, is read %i at a time", (batch_size, micro_batch_size, size) => {
  expect(microBatchSize({ batch_size, micro_batch_size } as StageConfig)).toBe(size);
});
