import type { Rng } from "@kd/tensor-core";
import type { Concept } from "../data/concepts.ts";

const LENGTH = 20;

/** Bags of words of the train concepts' names (weight 2) and tags (weight 1), as rows of word ids; 0 is padding. */
export interface TextBank {
  readonly size: number;
  readonly vocabularySize: number;
  readonly length: number;
  /** Ids and weights of all texts, `[size · length]` each; `dropTags` leaves each tag out with that probability. */
  draw(rng: Rng, dropTags: number): { ids: Int32Array; weights: Float32Array };
}

const wordsOf = (text: string): string[] =>
  text
    .toLowerCase()
    .replace(/’/g, "")
    .match(/[a-z0-9]+/g) ?? [];

export function createTextBank(concepts: readonly Concept[]): TextBank {
  const vocabulary = new Map<string, number>();
  const idOf = (word: string): number => {
    const id = vocabulary.get(word) ?? vocabulary.size + 1;
    vocabulary.set(word, id);
    return id;
  };
  const texts = concepts.map(({ label, tags }) => {
    const names = [...new Set(wordsOf(label))];
    const others = [...new Set(tags.flatMap(wordsOf))].filter((word) => !names.includes(word));
    return { names: names.map(idOf), tags: others.map(idOf) };
  });
  return {
    size: concepts.length,
    vocabularySize: vocabulary.size + 1,
    length: LENGTH,
    draw: (rng, dropTags) => {
      const ids = new Int32Array(texts.length * LENGTH);
      const weights = new Float32Array(texts.length * LENGTH);
      for (const [row, text] of texts.entries()) {
        const kept = text.tags.filter(() => rng.next() >= dropTags);
        const bag = [...text.names.map((id) => [id, 2]), ...kept.map((id) => [id, 1])].slice(0, LENGTH) as [
          number,
          number,
        ][];
        const norm = Math.sqrt(bag.reduce((sum, [, weight]) => sum + weight * weight, 0));
        for (const [i, [id, weight]] of bag.entries()) {
          ids[row * LENGTH + i] = id;
          weights[row * LENGTH + i] = weight / norm;
        }
      }
      return { ids, weights };
    },
  };
}
