import { responseRows, type TokenBatch } from "@kd/contract";
import { type StoredTensor, toFloat32, toInt32 } from "@kd/safetensors";
import {
  gatherRows,
  linear,
  logSoftmax,
  mean,
  mul,
  neg,
  oneHot,
  reshape,
  type Scalar,
  sum,
  type Tensor,
  type Tensor2D,
  tensor1d,
  tensor4d,
  transpose,
} from "@kd/tensor-core";
import { expect } from "vitest";
import { valuesOf } from "../../tensor-core/test/engines.ts";
import type { Llava, LlavaBatch } from "../src/index.ts";

/** The batch of a golden's tensors. */
export async function goldenBatch(expected: Map<string, StoredTensor>): Promise<TokenBatch> {
  const get = (key: string): StoredTensor => expected.get(key) ?? expect.fail(`no ${key}`);
  const pixels = get("pixel_values");
  const [count, channels, height, width] = pixels.shape as [number, number, number, number];
  const data = await valuesOf(() =>
    transpose(tensor4d(toFloat32(pixels), [count, channels, height, width]), [0, 2, 3, 1]),
  );
  const spans = toInt32(get("image_spans"));
  return {
    inputIds: Int32Array.from(toInt32(get("input_ids"))),
    labels: Int32Array.from(toInt32(get("labels"))),
    attentionMask: Uint8Array.from(toInt32(get("attention_mask"))),
    shape: get("input_ids").shape as unknown as [number, number],
    imageSpans: Array.from({ length: spans.length / 3 }, (_, i) => ({
      sample: spans[3 * i] as number,
      start: spans[3 * i + 1] as number,
      length: spans[3 * i + 2] as number,
      image: i,
    })),
    images: { kind: "pixels", data, shape: [count, height, width, channels] },
  };
}

/** Largest difference against the largest expected value, where the mask is 1. */
export async function relativeError(got: Tensor, expected: StoredTensor, mask?: Uint8Array): Promise<number> {
  const [data, want] = [await valuesOf(got), toFloat32(expected)];
  expect(got.shape).toEqual([...expected.shape]);
  const width = mask === undefined ? 1 : want.length / mask.length;
  let [worst, largest] = [0, 0];
  for (const [i, x] of want.entries()) {
    if (mask?.[Math.floor(i / width)] === 0) continue;
    worst = Math.max(worst, Math.abs((data[i] as number) - x));
    largest = Math.max(largest, Math.abs(x));
  }
  return worst / largest;
}

/** Shifted mean cross-entropy from stock operations, so that the model alone is on trial. */
export function crossEntropy(model: Llava, batch: LlavaBatch, trainable?: ReadonlySet<string>): Scalar {
  const { hidden } = model.forward(batch, trainable === undefined ? {} : { trainable });
  const rows = responseRows(batch);
  const picked = gatherRows(reshape(hidden, [-1, hidden.shape[2]]) as Tensor2D, tensor1d(rows, "int32"));
  const logits = linear(picked, model.head);
  const labels = tensor1d(
    Int32Array.from(rows, (row) => batch.labels[row + 1] as number),
    "int32",
  );
  return neg(mean(sum(mul(logSoftmax(logits), oneHot(labels, model.head.shape[0])), -1))) as Scalar;
}
