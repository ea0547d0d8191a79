import { absolute, lengthGroups } from "./length-groups.ts";
import { torchPermutation } from "./torch-random.ts";

/**
 * `group_by_modality_length`: a mega-batch of `worldSize · batchSize` holds one modality, and items of one rank's batch are alike in length. The two
 * incomplete last ones are merged: TinyLLaVA puts a whole mega-batch of them at the front and the rest at the end, LLaVA (`mergedLast`) sorts them by
 * index and puts all at the end.
 *
 * With one modality only, where TinyLLaVA fails, plain length groups.
 *
 * @param lengths words, negative for text only
 */
export function modalityGroups(
  lengths: ArrayLike<number>,
  options: { batchSize: number; worldSize: number; random: () => number; mergedLast?: boolean },
): Uint32Array {
  const { batchSize, worldSize, random, mergedLast = false } = options;
  const words = absolute(lengths);
  const indices = new Uint32Array(lengths.length); // with pictures from the front, without from the back
  let [front, back] = [0, indices.length];
  for (let i = 0; i < indices.length; i++) if ((lengths[i] as number) > 0) indices[front++] = i;
  for (let i = indices.length; i-- > 0; ) if (!((lengths[i] as number) > 0)) indices[--back] = i;
  if (front === 0 || front === indices.length) return lengthGroups(words, options);
  const grouped = (some: Uint32Array): Uint32Array => {
    const own = new Int32Array(some.length);
    for (let i = 0; i < own.length; i++) own[i] = words[some[i] as number] as number;
    const order = lengthGroups(own, options);
    for (let i = 0; i < order.length; i++) order[i] = some[order[i] as number] as number;
    return order;
  };
  const size = batchSize * worldSize;
  const [first, second] = [grouped(indices.subarray(0, front)), grouped(indices.subarray(front))];
  const wholeOf = (order: Uint32Array): number => Math.ceil(order.length / size) - 1; // the last is never counted whole, as in the reference
  const [wholeFirst, wholeSecond] = [wholeOf(first), wholeOf(second)];
  const last = [...first.subarray(wholeFirst * size), ...second.subarray(wholeSecond * size)];
  const order = new Uint32Array(lengths.length);
  let at = 0;
  const put = (some: ArrayLike<number>): void => {
    order.set(some, at);
    at += some.length;
  };
  if (mergedLast) last.sort((a, b) => a - b);
  else if (last.length >= size) put(last.splice(0, size));
  for (const group of torchPermutation(wholeFirst + wholeSecond, random)) {
    const [from, start] = group < wholeFirst ? [first, group * size] : [second, (group - wholeFirst) * size];
    put(from.subarray(start, start + size));
  }
  put(last);
  return order;
}
