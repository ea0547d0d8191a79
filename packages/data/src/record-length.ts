/** Python's white space, which separates the words that LLaVA counts: `\s` lacks five of these and has U+FEFF besides. */
function isWhite(c: number): boolean {
  if (c < 0x80) return c === 0x20 || (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x1f);
  if (c < 0x1680) return c === 0x85 || c === 0xa0;
  return (c >= 0x2000 && c <= 0x200a) || [0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000].includes(c);
}

/** Words of a text as Python's `len(text.split())` counts them. */
export function countWords(text: string): number {
  let words = 0;
  let between = true;
  for (let i = 0; i < text.length; i++) {
    const white = isWhite(text.charCodeAt(i));
    if (between && !white) words++;
    between = white;
  }
  return words;
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
