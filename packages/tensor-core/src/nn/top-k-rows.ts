import { KdError } from "@kd/contract";
import { scatterND, topk } from "@tensorflow/tfjs-core";
import { sliceRows } from "../half.ts";
import type { LogitRows } from "../model.ts";
import { constant } from "../operand.ts";
import {
  add,
  concat,
  exp,
  maximum,
  mul,
  onesLike,
  reshape,
  slice,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensor1d,
  tidy,
  zeros,
} from "../ops.ts";
import { assertShapes } from "../shape.ts";
import { assertFinite } from "./finite.ts";
import { linear } from "./linear.ts";
import { rowLogSoftmax, rowSums } from "./row-sums.ts";
import type { WholeTopKRows } from "./row-task.ts";

/** Options of {@link topKRows}. */
export interface TopKRowsOptions {
  /** Of the softmax; the loss must be given the same. @defaultValue 1 */
  readonly temperature?: number;
  /** How many ids, from the first on, the softmax runs over: the vocabulary that teacher and student share. @defaultValue all */
  readonly vocabulary?: number;
  /** Rows whose logits exist at the same time. @defaultValue 64 */
  readonly chunkSize?: number;
}

/**
 * The k most likely ids of each row with their log-probabilities, largest first, and the mass of all others, for a teacher whose rows are kept.
 *
 * @param rows `[R, V]` logits, or factors `hidden [R, D]`, `head [V, D]`
 * @returns `ids`, `logProbs [R, k]` and `tailMass [R]`, the caller's to dispose
 * @throws KdError `KD_SHAPE` naming the argument; `KD_CONFIG` for a k, vocabulary, temperature or chunk size that cannot be; `KD_DIVERGED` for
 * logits that are not finite, where that can be seen without waiting for a device.
 */
export function topKRows(
  rows: LogitRows,
  k: number,
  { temperature = 1, vocabulary, chunkSize = 64 }: TopKRowsOptions = {},
): Required<WholeTopKRows> {
  assertShapes(
    "topKRows",
    "hidden" in rows
      ? { "rows.hidden": [rows.hidden, "R D"], "rows.head": [rows.head, "V D"] }
      : { rows: [rows, "R V"] },
  );
  const [R, V] = "hidden" in rows ? [rows.hidden.shape[0], rows.head.shape[0]] : rows.shape;
  const common = vocabulary ?? V;
  const whole = (name: string, value: number, most: number): void => {
    if (!(Number.isInteger(value) && value >= 1 && value <= most))
      throw new KdError("KD_CONFIG", `topKRows: ${name} must be a whole number from 1 to ${most}, got ${value}`);
  };
  whole("vocabulary", common, V);
  whole("k", k, common);
  whole("chunkSize", chunkSize, Number.MAX_SAFE_INTEGER);
  if (!(temperature > 0 && temperature < Number.POSITIVE_INFINITY))
    throw new KdError("KD_CONFIG", `topKRows: temperature must be above 0 and finite, got ${temperature}`);
  return tidy(() => {
    const chunks: ReturnType<typeof topOf>[] = [];
    for (let r = 0; r < R; r += chunkSize)
      chunks.push(tidy(() => topOf(logitsOf(rows, r, Math.min(chunkSize, R - r), common), k, temperature)));
    if (R === 0) chunks.push({ ids: zeros([0, k], "int32"), logProbs: zeros([0, k]), tailMass: zeros([0]) });
    const all = (name: "ids" | "logProbs" | "tailMass"): Tensor =>
      concat(
        chunks.map((chunk) => chunk[name]),
        0,
      );
    const logProbs = all("logProbs") as Tensor2D;
    assertFinite("topKRows", sum(logProbs), { rows });
    return { ids: all("ids") as Tensor2D, logProbs, tailMass: all("tailMass") as Tensor1D, vocabulary: common };
  });
}

/** The first `width` logits of `n` rows from row `r`. */
export function logitsOf(rows: LogitRows, r: number, n: number, width: number): Tensor2D {
  if (!("hidden" in rows)) return slice(rows, [r, 0], [n, width]);
  return linear(constant(slice(rows.hidden, [r, 0], [n, -1])), constant(sliceRows(rows.head, 0, width))) as Tensor2D;
}

function topOf(logits: Tensor2D, k: number, temperature: number) {
  const [n, V] = logits.shape;
  const logP = rowLogSoftmax(mul(logits, 1 / temperature));
  const { values: logProbs, indices: ids } = topk(logP, k, true);
  const others = sub(1, scatterRows(ids as Tensor2D, onesLike(logProbs), V));
  const tailMass = reshape(rowSums(mul(exp(logP), others)), [n]) as Tensor1D;
  return { ids: ids as Tensor2D, logProbs: logProbs as Tensor2D, tailMass };
}

/** `[n, V]`: the values `[n, k]` where their ids `[n, k]` stand in a row, 0 elsewhere. */
export function scatterRows(ids: Tensor2D, values: Tensor, V: number): Tensor2D {
  const [n, k] = ids.shape;
  const starts = tensor1d(
    Int32Array.from({ length: n }, (_, r) => r * V),
    "int32",
  );
  const flat = reshape(add(ids, reshape(starts, [n, 1])), [n * k, 1]);
  return reshape(scatterND(flat, reshape(values, [n * k]), [n * V]), [n, V]) as Tensor2D;
}

/** What the log-probabilities of a row leave to all other ids. */
export function tailMassOf(logProbs: Tensor2D): Tensor1D {
  return tidy(() => maximum(sub(1, sum(exp(logProbs), 1)), 0)) as Tensor1D;
}
