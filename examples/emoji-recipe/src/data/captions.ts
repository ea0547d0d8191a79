import { groupOf, kindOf } from "./classes.ts";
import { type Lexicon, nameOf } from "./lexicon.ts";
import type { Subject } from "./questions.ts";
import { type Rng, shuffled } from "./random.ts";
import { withArticle } from "./words.ts";

const KEYWORDS = 3;

/** A short description, such as "a brown dog , a mammal , from animals and nature . keywords : pet , animal". */
export function caption({ concept, colour }: Subject, lexicon: Lexicon, rng: Rng): string {
  const name = nameOf(concept);
  let text = withArticle(colour && rng.next() < 0.6 ? `${colour} ${name}` : name);
  const kind = kindOf(concept);
  if (rng.next() < 0.5 && kind) text += ` , ${withArticle(kind)}`;
  if (rng.next() < 0.4) text += ` , from ${groupOf(concept)}`;
  const tags = lexicon.tagWords.get(concept.hex) ?? [];
  if (rng.next() < 0.5 && tags.length >= 2)
    text += ` . keywords : ${shuffled(tags, rng).slice(0, KEYWORDS).join(" , ")}`;
  return text;
}

/** Words and marks that captions need beside the lexicon's. */
export const CAPTION_WORDS: readonly string[] = ["a", "an", ",", ".", ":", "from", "keywords"];
