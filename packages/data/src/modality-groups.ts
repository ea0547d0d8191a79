import { lengthGroups } from "./length-groups.ts";
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
): number[] {
  const { batchSize, worldSize, random, mergedLast = false } = options;
  const all = Array.from(lengths);
  const words = all.map(Math.abs);
  const pictures = all.flatMap((length, i) => (length > 0 ? [i] : []));
  const texts = all.flatMap((length, i) => (length > 0 ? [] : [i]));
  if (pictures.length === 0 || texts.length === 0) return lengthGroups(words, options);
  const grouped = (indices: readonly number[]): number[] =>
    lengthGroups(
      indices.map((i) => words[i] as number),
      options,
    ).map((i) => indices[i] as number);
  const size = batchSize * worldSize;
  const cut = (order: readonly number[]): number[][] =>
    Array.from({ length: Math.ceil(order.length / size) }, (_, i) => order.slice(i * size, (i + 1) * size));
  const [withPicture, withoutPicture] = [cut(grouped(pictures)), cut(grouped(texts))];
  const last = [...(withPicture.pop() ?? []), ...(withoutPicture.pop() ?? [])];
  const whole = [...withPicture, ...withoutPicture];
  const shuffled = Array.from(torchPermutation(whole.length, random), (i) => whole[i] as number[]).flat();
  if (mergedLast) return [...shuffled, ...last.sort((a, b) => a - b)];
  const first = last.length >= size ? last.splice(0, size) : [];
  return [...first, ...shuffled, ...last];
}
