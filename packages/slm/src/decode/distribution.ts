import { KdError } from "@kd/contract";
import type { DecodingOptions } from "./options.ts";

/** Ids that may come next, and their probabilities, which sum to 1. */
export interface Distribution {
  readonly ids: Int32Array;
  readonly probabilities: Float64Array;
}

type Choice = Pick<DecodingOptions, "temperature" | "topK" | "topP">;

/** The repetition penalty, in place. */
export function penalizeRepetition(logits: Float32Array, seen: Iterable<number>, penalty: number): void {
  for (const id of seen) {
    const logit = logits[id];
    if (logit !== undefined) logits[id] = logit < 0 ? logit * penalty : logit / penalty;
  }
}

/** What is drawn from, in transformers' order: temperature, then the `topK` largest, then the smallest set of mass `topP`. */
export function distributionOf(logits: Float32Array, { temperature = 1, topK, topP = 1 }: Choice): Distribution {
  // Plain loops: a vocabulary of 150,000 takes 0.5 to 8 ms, through callbacks and a sort of the whole 20 to 80.
  const floor = topK === undefined || topK >= logits.length ? Number.NEGATIVE_INFINITY : leastOf(logits, topK);
  const kept = indicesFrom(logits, floor);
  let top = Number.NEGATIVE_INFINITY;
  for (const id of kept) top = Math.max(top, logits[id] as number);
  const weights = new Float64Array(kept.length);
  for (let i = 0; i < kept.length; i++)
    weights[i] = Math.exp(((logits[kept[i] as number] as number) - top) / temperature);
  return topP === 1 ? shares(kept, weights) : nucleus(kept, weights, topP);
}

/** The least of the `count` largest values. */
function leastOf(values: Float32Array, count: number): number {
  const largest = new Float32Array(count).fill(Number.NEGATIVE_INFINITY); // ascending
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!(value > (largest[0] as number))) continue;
    let at = 1;
    while (at < count && (largest[at] as number) < value) at++;
    largest.copyWithin(0, 1, at);
    largest[at - 1] = value;
  }
  return largest[0] as number;
}

/** Indices of the values that are not below `floor`. */
function indicesFrom(values: Float32Array | Float64Array, floor: number): Int32Array {
  const found = new Int32Array(values.length);
  let count = 0;
  for (let i = 0; i < values.length; i++) if ((values[i] as number) >= floor) found[count++] = i;
  return found.subarray(0, count);
}

/** The fewest ids, at least one, that have this share of all weights. */
function nucleus(ids: Int32Array, weights: Float64Array, share: number): Distribution {
  const aim = share * sumOf(weights);
  let least = 1; // of the weights that are looked at: sorting them all would take longer than a small model does
  let mass = 0;
  while (mass < aim && least > 0) {
    least /= 8;
    mass = 0;
    for (const weight of weights) if (weight >= least) mass += weight;
  }
  const order = indicesFrom(weights, least).sort((a, b) => (weights[b] as number) - (weights[a] as number) || a - b);
  let count = 0;
  for (mass = 0; count < order.length && mass < aim; count++) mass += weights[order[count] as number] as number;
  const chosen = order.subarray(0, count);
  const of = Float64Array.from(chosen, (i) => weights[i] as number);
  return shares(
    chosen.map((i) => ids[i] as number),
    of,
  );
}

function shares(ids: Int32Array, weights: Float64Array): Distribution {
  const total = sumOf(weights);
  if (!(total > 0))
    throw new KdError(
      "KD_DIVERGED",
      `generate: logits must be finite to draw from, got none that is; check the weights`,
    );
  for (let i = 0; i < weights.length; i++) weights[i] = (weights[i] as number) / total;
  return { ids, probabilities: weights };
}

function sumOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

/** One id, by a number in [0, 1). */
export function draw({ ids, probabilities }: Distribution, uniform: number): number {
  let [i, rest] = [0, uniform];
  while (i < ids.length - 1 && rest >= (probabilities[i] as number)) rest -= probabilities[i++] as number;
  return ids[i] as number;
}
