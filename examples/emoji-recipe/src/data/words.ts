/** Lower-case words of a label or tag: accents dropped, all but letters, digits and apostrophes a separator. */
export function words(text: string): string[] {
  const plain = text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "").replaceAll("’", "'");
  return plain.split(/[^a-z0-9']+/).filter(Boolean);
}

const WITHOUT_ARTICLE = new Set([
  "asian food",
  "clothing",
  "dishware",
  "mail",
  "money",
  "prepared food",
  "sky or weather",
  "sweet food",
]);

/** Whether a noun phrase of lower-case words is plural, by its spelling. */
export function isPlural(noun: string): boolean {
  return /[^iosu]s$/.test(noun); // not glass, bus, rhinoceros, tennis
}

/** The noun with "a" or "an" where it takes one. */
export function withArticle(noun: string): string {
  if (isPlural(noun) || WITHOUT_ARTICLE.has(noun)) return noun;
  const startsWithVowel = /^([aeio]|u(?!ni)|x )/.test(noun) && !/^(eu|ew|one)/.test(noun);
  return `${startsWithVowel ? "an" : "a"} ${noun}`;
}
