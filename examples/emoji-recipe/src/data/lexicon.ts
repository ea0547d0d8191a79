import { groupOf, kindOf } from "./classes.ts";
import { COLOURS } from "./colour.ts";
import { type Concept, isCore } from "./concepts.ts";
import { words } from "./words.ts";

/** What may be said: the core train concepts, and the words known from them alone. */
export interface Lexicon {
  readonly concepts: readonly Concept[];
  readonly bySubgroup: ReadonlyMap<string, readonly Concept[]>;
  /** By code point: known words of the tags that are not in the label. */
  readonly tagWords: ReadonlyMap<string, readonly string[]>;
  /** Words of labels, classes, colours and tags, sorted. */
  readonly contentWords: readonly string[];
}

const CONCEPTS_SHARING_A_TAG = 3;

/** Builds the lexicon; concepts outside the core pool or the train split leave no trace in it. */
export function buildLexicon(all: readonly Concept[]): Lexicon {
  const concepts = all.filter((concept) => concept.split === "train" && isCore(concept));
  const known = new Set([...COLOURS, ...sharedTagWords(concepts)]);
  for (const concept of concepts)
    for (const text of [concept.label, groupOf(concept), kindOf(concept) ?? ""])
      for (const word of words(text)) known.add(word);
  const bySubgroup = new Map<string, Concept[]>();
  for (const concept of concepts)
    bySubgroup.set(concept.subgroup, [...(bySubgroup.get(concept.subgroup) ?? []), concept]);
  const tagWords = new Map(concepts.map((concept) => [concept.hex, knownTagWords(concept, known)]));
  return { concepts, bySubgroup, tagWords, contentWords: [...known].sort() };
}

/** The label as lower-case words, the way text names a concept. */
export function nameOf(concept: Concept): string {
  return words(concept.label).join(" ");
}

function sharedTagWords(concepts: readonly Concept[]): string[] {
  const count = new Map<string, number>();
  for (const { tags } of concepts)
    for (const word of new Set(tags.flatMap(words))) count.set(word, (count.get(word) ?? 0) + 1);
  const shared = [...count].filter(([word, n]) => n >= CONCEPTS_SHARING_A_TAG && /^[a-z]+$/.test(word));
  return shared.map(([word]) => word);
}

function knownTagWords({ label, tags }: Concept, known: ReadonlySet<string>): string[] {
  const own = words(label);
  return [...new Set(tags.flatMap(words))].filter((word) => known.has(word) && !own.includes(word));
}
