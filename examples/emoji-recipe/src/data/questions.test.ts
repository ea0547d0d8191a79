import { createRng } from "@kd/tensor-core";
import { expect, test } from "vitest";
import { caption } from "./captions.ts";
import { groupOf, kindOf } from "./classes.ts";
import { type Concept, concepts } from "./concepts.ts";
import { buildLexicon, nameOf } from "./lexicon.ts";
import { ask, askCount, askPresence } from "./questions.ts";
import { isPlural, withArticle } from "./words.ts";

const all = concepts();
const lexicon = buildLexicon(all);
const rng = createRng(1);
const named = (label: string): Concept => {
  const concept = all.find((c) => c.label === label);
  if (!concept) throw new Error(`no concept ${label}`);
  return concept;
};

test("name, group, kind and colour come from the table and the pixels", () => {
  const subject = { concept: named("tulip"), colour: "pink" };
  expect(ask("name", subject, rng)?.answer).toBe("tulip");
  expect(ask("group", subject, rng)?.answer).toBe("animals and nature");
  expect(ask("kind", subject, rng)?.answer).toBe("flower");
  expect(ask("colour", subject, rng)).toEqual({ question: expect.stringContaining("color"), answer: "pink" });
  expect(ask("colour", { ...subject, colour: undefined }, rng)).toBeUndefined();
  expect(ask("kind", { concept: named("memo"), colour: undefined }, rng)).toEqual(undefined);
  expect(askCount(3, rng).answer).toBe("three");
  expect(() => askCount(5, rng)).toThrow("askCount: expected 1 to 4 objects, got 5");
});

test("the five groups and 33 kinds are all used by train concepts", () => {
  expect(new Set(lexicon.concepts.map(groupOf)).size).toBe(5);
  expect(new Set(lexicon.concepts.flatMap((c) => kindOf(c) ?? [])).size).toBe(33);
});

test("an absent thing is a train concept of another family and name, adversarially of the same subgroup", () => {
  const byQuestion = new Map(
    lexicon.concepts.map((c) => {
      const noun = nameOf(c);
      return [`${isPlural(noun) ? "are" : "is"} there ${withArticle(noun)} in the image ?`, c];
    }),
  );
  let near = 0;
  for (const concept of lexicon.concepts)
    for (const adversarial of [false, true]) {
      const subject = { concept, colour: undefined };
      const no = askPresence(subject, { lexicon, present: false, adversarial }, rng);
      const absent = byQuestion.get(no.question);
      expect(no.answer).toBe("no");
      expect(absent?.family).not.toBe(concept.family);
      expect(absent && nameOf(absent)).not.toBe(nameOf(concept));
      if (adversarial && absent?.subgroup === concept.subgroup) near++;
      const yes = askPresence(subject, { lexicon, present: true, adversarial }, rng);
      expect([yes.answer, byQuestion.get(yes.question)?.label]).toEqual(["yes", concept.label]);
    }
  expect(near / lexicon.concepts.length).toBeGreaterThan(0.95);
});

test("a dog face is not denied to be a dog", () => {
  const subject = { concept: named("dog face"), colour: undefined };
  for (let i = 0; i < 300; i++)
    expect(askPresence(subject, { lexicon, present: false, adversarial: true }, rng).question).not.toContain(
      "a dog in",
    );
});

test("a caption names the thing and may add colour, kind, group and keywords", () => {
  const concept = named("camel");
  const texts = Array.from({ length: 200 }, () => caption({ concept, colour: "orange" }, lexicon, rng));
  expect(lexicon.tagWords.get(concept.hex)?.length).toBeGreaterThan(1);
  expect(texts.every((text) => /^(a camel|an orange camel)/.test(text))).toBe(true);
  for (const part of [/^an orange camel/, /^a camel/, / , a mammal/, / , from animals and nature/, / keywords : /])
    expect(texts.some((text) => part.test(text))).toBe(true);
  expect(texts.every((text) => !/keywords.*camel/.test(text))).toBe(true);
});
