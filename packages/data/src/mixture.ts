import { KdError } from "@kd/contract";
import { torchPermutation, torchRandom } from "./torch-random.ts";

/** PyTorch's permutation stays in 32 bits up to here. */
const MOST = 214_000_000;

/** One epoch of several sources, one entry a record. */
export interface Mixture {
  /** Which source. */
  readonly source: Uint16Array;
  /** Which record of it. */
  readonly record: Uint32Array;
}

/** Positions [from, from + count) of an endless row of permutations of `length` records, so that no record waits longer than a permutation. */
function window(length: number, from: number, { count, seed }: { count: number; seed: number }): Uint32Array {
  const picked = new Uint32Array(count);
  let cycle = -1;
  let order = new Uint32Array(0);
  for (let i = 0; i < count; i++) {
    if (Math.floor((from + i) / length) !== cycle) {
      cycle = Math.floor((from + i) / length);
      order = Uint32Array.from(torchPermutation(length, torchRandom(seed + cycle)));
    }
    picked[i] = order[(from + i) % length] as number;
  }
  return picked.sort();
}

/**
 * What an epoch takes from each source: weight 1 is each record once, 3 three times, 0.5 half of the records, other halves in other epochs. It depends
 * on seed and epoch alone.
 *
 * @throws KdError `KD_DATA` when a weight is negative or not finite, when nothing is left, or more than 214 million
 */
export function mixture(
  sources: readonly { readonly length: number; readonly weight?: number }[],
  { seed, epoch }: { seed: number; epoch: number },
): Mixture {
  const parts = sources.map(({ length, weight = 1 }, s) => {
    if (!(weight >= 0 && Number.isFinite(weight)))
      throw new KdError("KD_DATA", `mixture source ${s}: expected a weight of at least 0, got ${weight}; correct it`);
    const share = length * (weight % 1);
    const from = Math.round(share * epoch); // counts of epochs add up to the share: a rounded count would lose the rest in each
    const count = Math.round(share * (epoch + 1)) - from;
    const own = Math.imul(seed, 0x9e3779b1) + Math.imul(s + 1, 0x85ebca6b);
    return {
      length,
      times: Math.floor(weight),
      some: count ? window(length, from, { count, seed: own }) : [],
    };
  });
  const total = parts.reduce((sum, { length, times, some }) => sum + length * times + some.length, 0);
  if (total === 0 || total > MOST || sources.length > 65_535)
    throw new KdError(
      "KD_DATA",
      `mixture: expected 1…${MOST} records a pass, got ${total} of ${sources.length} sources; check the weights`,
    );
  const source = new Uint16Array(total);
  const record = new Uint32Array(total);
  let at = 0;
  for (const [s, { length, times, some }] of parts.entries()) {
    const first = at;
    for (let time = 0; time < times; time++) for (let i = 0; i < length; i++) record[at++] = i;
    for (const index of some) record[at++] = index;
    source.fill(s, first, at);
  }
  return { source, record };
}
