import { expect, it } from "vitest";
import { responseRows, type TokenBatch, visualRows } from "./index.ts";

const batch: TokenBatch = {
  inputIds: Int32Array.from([9, 9, 1, 2, 3, 4, 5, 0]),
  labels: Int32Array.from([-100, -100, -100, 2, 3, 4, 5, -100]),
  attentionMask: Uint8Array.from([1, 1, 1, 1, 1, 1, 1, 0]),
  shape: [2, 4],
  imageSpans: [{ sample: 0, start: 0, length: 2, image: 0 }],
};

it("response rows sit one before their label and never cross a sample", () => {
  expect([...responseRows(batch)]).toEqual([2, 4, 5]); // the label at [1, 0] has no row before it
});

it("visual rows are the image positions, unshifted", () => {
  expect([...visualRows(batch)]).toEqual([0, 1]);
  expect([...visualRows({ ...batch, imageSpans: [{ sample: 1, start: 1, length: 2, image: 0 }] })]).toEqual([5, 6]);
});
