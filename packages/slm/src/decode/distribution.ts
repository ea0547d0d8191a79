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
  const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weightOf = (id: number) => Math.exp(((logits[id] as number) - top) / temperature);
  const kept = largest(logits, topK ?? logits.length);
  const ids = topP === 1 ? kept : nucleus(kept, weightOf, topP);
  const weights = Float64Array.from(ids, weightOf);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return { ids, probabilities: weights.map((weight) => weight / total) };
}

/** Ids of the `count` largest logits, with those that equal the last of them. */
function largest(logits: Float32Array, count: number): Int32Array {
  const all = Int32Array.from(logits.keys());
  if (count >= logits.length) return all;
  const last = Float32Array.from(logits).sort()[logits.length - count] as number;
  return all.filter((id) => (logits[id] as number) >= last);
}

/** The fewest ids that have this share of all weights; at least one. */
function nucleus(ids: Int32Array, weightOf: (id: number) => number, share: number): Int32Array {
  const sum = (some: Int32Array) => some.reduce((total, id) => total + weightOf(id), 0);
  const aim = share * sum(ids);
  let [likely, least] = [ids, 1 / 8];
  // Sorting a whole vocabulary takes longer than a small model does.
  for (likely = ids.filter((id) => weightOf(id) >= least); sum(likely) < aim && likely.length < ids.length; least /= 8)
    likely = ids.filter((id) => weightOf(id) >= least / 8);
  likely.sort((a, b) => weightOf(b) - weightOf(a) || a - b);
  let [count, mass] = [0, 0];
  while (count < likely.length && mass < aim) mass += weightOf(likely[count++] as number);
  return likely.subarray(0, count);
}

/** One id, by a number in [0, 1). */
export function draw({ ids, probabilities }: Distribution, uniform: number): number {
  let [i, rest] = [0, uniform];
  while (i < ids.length - 1 && rest >= (probabilities[i] as number)) rest -= probabilities[i++] as number;
  return ids[i] as number;
}
