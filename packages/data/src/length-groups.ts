import { torchPermutation } from "./torch-random.ts";

/** Longest first; equals stay in their order, as Python's `sorted(reverse=True)` keeps them. */
const longestFirst = (lengths: ArrayLike<number>, indices: Uint32Array): number[] =>
  Array.from(indices).sort((a, b) => (lengths[b] as number) - (lengths[a] as number));

/** LLaVA's `split_to_even_chunks`: each index goes to the rank with the fewest words so far that still has room. */
function evenChunks(indices: readonly number[], lengths: ArrayLike<number>, chunks: number): number[][] {
  if (indices.length % chunks !== 0)
    return Array.from({ length: chunks }, (_, rank) => indices.filter((_, i) => i % chunks === rank));
  const room = indices.length / chunks;
  const parts: number[][] = Array.from({ length: chunks }, () => []);
  const words = new Float64Array(chunks);
  for (const index of indices) {
    const shortest = words.indexOf(Math.min(...words));
    const part = parts[shortest] as number[];
    part.push(index);
    words[shortest] =
      part.length === room ? Number.POSITIVE_INFINITY : (words[shortest] as number) + (lengths[index] as number);
  }
  return parts;
}

/** LLaVA's `get_length_grouped_indices`: a permutation cut into mega-batches of `worldSize · batchSize`, each sorted and dealt evenly to the ranks. */
export function lengthGroups(
  lengths: ArrayLike<number>,
  options: { batchSize: number; worldSize: number; random: () => number },
): number[] {
  const { batchSize, worldSize, random } = options;
  const shuffled = torchPermutation(lengths.length, random);
  const order: number[] = [];
  for (let at = 0; at < shuffled.length; at += batchSize * worldSize) {
    const sorted = longestFirst(lengths, shuffled.subarray(at, at + batchSize * worldSize));
    for (const part of evenChunks(sorted, lengths, worldSize)) for (const index of part) order.push(index);
  }
  return order;
}

/** Hugging Face's `group_by_length`: mega-batches of up to 50 batches, sorted, the longest item of all first (so that memory runs out at once or never). */
export function lengthBuckets(
  lengths: ArrayLike<number>,
  { batchSize, random }: { batchSize: number; random: () => number },
): number[] {
  const size = Math.max(1, Math.min(Math.floor(lengths.length / (batchSize * 4)), 50)) * batchSize;
  const shuffled = torchPermutation(lengths.length, random);
  const groups: number[][] = [];
  for (let at = 0; at < shuffled.length; at += size)
    groups.push(longestFirst(lengths, shuffled.subarray(at, at + size)));
  let longest = 0;
  for (const [i, [index = 0]] of groups.entries())
    if ((lengths[index] as number) > (lengths[groups[longest]?.[0] ?? 0] as number)) longest = i;
  const [first, other] = [groups[0], groups[longest]];
  if (first !== undefined && other !== undefined) [first[0], other[0]] = [other[0] as number, first[0] as number];
  return groups.flat();
}
