import { KdError } from "@kd/contract";

/** A tokenizer's strings: a list with ids as indices, or a map from ids. */
export type TokenStrings = readonly string[] | ReadonlyMap<number, string>;

/**
 * How many ids, from the first on, two tokenizers share: `vocabulary` of the losses for two models whose output heads differ in size or have
 * rows that no token uses. Logits are cut to it, never filled up with zeros.
 *
 * @throws KdError `KD_DATA` for the first id that stands for different strings (or in one of both for none): such models have no common rows.
 */
export function commonVocabulary(student: TokenStrings, teacher: TokenStrings): number {
  const [ours, theirs] = [stringsOf("student", student), stringsOf("teacher", teacher)];
  const size = Math.min(ours.size, theirs.size);
  for (let id = 0; id < size; id++)
    if (ours.at(id) !== theirs.at(id))
      throw new KdError(
        "KD_DATA",
        `commonVocabulary: id ${id} must stand for one string, got ${text(ours.at(id))} of the student and ${text(theirs.at(id))} of the teacher; take models of one tokenizer`,
      );
  return size;
}

function stringsOf(name: string, tokens: TokenStrings) {
  const isMap = "get" in tokens;
  let size = isMap ? 0 : tokens.length;
  if (isMap) for (const id of tokens.keys()) size = Math.max(size, id + 1);
  if (size === 0) throw new KdError("KD_DATA", `commonVocabulary: ${name} must have tokens, got none`);
  return { size, at: (id: number) => (isMap ? tokens.get(id) : tokens[id]) };
}

const text = (token: string | undefined): string => (token === undefined ? "nothing" : JSON.stringify(token));
