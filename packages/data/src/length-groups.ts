import { torchPermutation } from "./torch-random.ts";

/** Lengths without their sign. */
export function absolute(lengths: ArrayLike<number>): Int32Array {
  const words = new Int32Array(lengths.length);
  for (let i = 0; i < words.length; i++) words[i] = Math.abs(lengths[i] as number);
  return words;
}

/** Positions that fit beside a length in a double's 53 bits. */
const POSITIONS = 2 ** 22;

/** Sorts slices of indices in place, longest first; equals stay in their order, as Python's `sorted(reverse=True)` keeps them. */
function longestFirst(lengths: ArrayLike<number>, size: number): (indices: Uint32Array) => void {
  const room = new Float64Array(size);
  const before = new Uint32Array(size);
  return (indices) => {
    before.set(indices);
    const keys = room.subarray(0, indices.length);
    for (let i = 0; i < keys.length; i++) keys[i] = i - (lengths[indices[i] as number] as number) * POSITIONS;
    keys.sort(); // a comparator would cost a second for a million records
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as number;
      indices[i] = before[key - Math.floor(key / POSITIONS) * POSITIONS] as number;
    }
  };
}

/** LLaVA's `split_to_even_chunks`: each index goes to the rank with the fewest words so far that still has room. */
function evenChunks(indices: Uint32Array, lengths: ArrayLike<number>, chunks: number): number[] {
  const parts: number[][] = Array.from({ length: chunks }, () => []);
  const room = indices.length / chunks;
  const words = new Float64Array(chunks);
  for (const [i, index] of indices.entries()) {
    const rank = Number.isInteger(room) ? words.indexOf(Math.min(...words)) : i % chunks;
    const part = parts[rank] as number[];
    part.push(index);
    words[rank] =
      part.length === room ? Number.POSITIVE_INFINITY : (words[rank] as number) + (lengths[index] as number);
  }
  return parts.flat();
}

/**
 * LLaVA's `get_length_grouped_indices`: a permutation cut into mega-batches of `worldSize · batchSize`, each sorted and dealt evenly to the ranks.
 *
 * @param lengths above 0
 */
export function lengthGroups(
  lengths: ArrayLike<number>,
  options: { batchSize: number; worldSize: number; random: () => number },
): Uint32Array {
  const { batchSize, worldSize, random } = options;
  const order = torchPermutation(lengths.length, random);
  const sort = longestFirst(lengths, batchSize * worldSize);
  for (let at = 0; at < order.length; at += batchSize * worldSize) {
    const group = order.subarray(at, at + batchSize * worldSize);
    sort(group);
    if (worldSize > 1) group.set(evenChunks(group, lengths, worldSize));
  }
  return order;
}

/** Hugging Face's `group_by_length`: mega-batches of up to 50 batches, sorted, the longest item of all first (so that memory runs out at once or never). */
export function lengthBuckets(
  lengths: ArrayLike<number>,
  { batchSize, random }: { batchSize: number; random: () => number },
): Uint32Array {
  const size = Math.max(1, Math.min(Math.floor(lengths.length / (batchSize * 4)), 50)) * batchSize;
  const order = torchPermutation(lengths.length, random);
  const sort = longestFirst(lengths, size);
  let longest = 0;
  for (let at = 0; at < order.length; at += size) {
    sort(order.subarray(at, at + size));
    if ((lengths[order[at] as number] as number) > (lengths[order[longest] as number] as number)) longest = at;
  }
  if (order.length > 0) [order[0], order[longest]] = [order[longest] as number, order[0] as number];
  return order;
}
