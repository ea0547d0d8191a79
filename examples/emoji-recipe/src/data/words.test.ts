import { expect, test } from "vitest";
import { withArticle, words } from "./words.ts";

test.each([
  ["T-Rex", "t rex"],
  ["woman’s hat", "woman's hat"],
  ["piñata", "pinata"],
  ["flag: Åland", "flag aland"],
])("%s is written %s", (label, text) => {
  expect(words(label).join(" ")).toBe(text);
});

test.each([
  ["dog", "a dog"],
  ["orange fish", "an orange fish"],
  ["unicorn", "a unicorn"],
  ["umbrella", "an umbrella"],
  ["euro banknote", "a euro banknote"],
  ["x ray", "an x ray"],
  ["octopus", "an octopus"],
  ["wine glass", "a wine glass"],
  ["tennis", "a tennis"],
  ["glasses", "glasses"],
  ["paw prints", "paw prints"],
  ["clothing", "clothing"],
])("%s takes its article: %s", (noun, phrase) => {
  expect(withArticle(noun)).toBe(phrase);
});
