/** Python's white space, whose words LLaVA counts: `\s` lacks five of these and has U+FEFF besides. */
const WORD = /[^\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;

/** Words of a text as Python's `len(text.split())` counts them. */
export function countWords(text: string): number {
  return text.match(WORD)?.length ?? 0;
}

/**
 * The samplers' length of a LLaVA record, as LLaVA counts it: words of all turns, negative for text only; 0 says that it is no such record. A record
 * without a word counts 1, where the reference fails.
 */
export function recordLength(record: unknown): number {
  if (typeof record !== "object" || record === null) return 0;
  const { conversations, image } = record as { conversations?: unknown; image?: unknown };
  if (!Array.isArray(conversations) || conversations.length === 0) return 0;
  let words = 0;
  for (const turn of conversations) {
    if (typeof turn?.value !== "string") return 0;
    words += countWords(turn.value);
  }
  const textOnly = image === undefined || image === null || (Array.isArray(image) && image.length === 0);
  return textOnly ? -Math.max(1, words) : Math.max(1, words);
}
