import { createTokenizer } from "@kd/data";
import { createRng } from "@kd/tensor-core";
import { expect, test } from "vitest";
import { caption } from "./captions.ts";
import { concepts } from "./concepts.ts";
import { buildLexicon } from "./lexicon.ts";
import { ask, askCount, askPresence } from "./questions.ts";
import { buildTokenizer, SPECIAL_TOKENS } from "./tokenizer.ts";

const lexicon = buildLexicon(concepts());
const tokenizer = createTokenizer(buildTokenizer(lexicon));
const unknown = SPECIAL_TOKENS.indexOf("<unk>");

test("special tokens have the first ids and a whole turn comes back word by word", () => {
  const text = "<usr> what is this ? <ast> woman's hat <eos>";
  const ids = tokenizer.encode(text);
  expect(ids).toHaveLength(9);
  expect([ids[0], ids[5], ids[8]]).toEqual([2, 3, 4]);
  expect(tokenizer.decode(ids)).toBe(text);
  expect(SPECIAL_TOKENS.map((token) => tokenizer.encode(token))).toEqual(SPECIAL_TOKENS.map((_, id) => [id]));
});

test("a person's spelling is the text's", () => {
  expect(tokenizer.encode("What is THIS?")).toEqual(tokenizer.encode("what is this ?"));
  expect(tokenizer.encode("Is there a piñata, or a woman’s hat?")).toContain(tokenizer.encode("pinata")[0]);
  expect(tokenizer.encode("woman’s")).toEqual(tokenizer.encode("woman's"));
});

test("words outside the vocabulary are one unknown token, and no part of a word is a token", () => {
  expect(tokenizer.encode("zzyzx")).toEqual([unknown]);
  expect(tokenizer.encode("catdog")).toEqual([unknown]);
});

test("all that questions, answers and captions say of train concepts is known", () => {
  const rng = createRng(2);
  const say = (text = ""): void => expect(tokenizer.encode(text), text).not.toContain(unknown);
  for (const concept of lexicon.concepts) {
    const subject = { concept, colour: "brown" };
    for (const task of ["name", "group", "kind", "colour"] as const) {
      const turn = ask(task, subject, rng);
      say(turn?.question);
      say(turn?.answer);
    }
    for (const present of [true, false])
      say(askPresence(subject, { lexicon, present, adversarial: rng.next() < 0.5 }, rng).question);
    for (let i = 0; i < 4; i++) say(caption(subject, lexicon, rng));
  }
  for (let n = 1; n <= 4; n++) say(`${askCount(n, rng).question} ${askCount(n, rng).answer} yes no`);
});

test("concepts outside the train split and the core pool leave no word behind", () => {
  const train = concepts().filter((c) => c.split === "train");
  expect(buildTokenizer(buildLexicon(train))).toEqual(buildTokenizer(lexicon));
  expect(tokenizer.encode("grinning")).toEqual([unknown]);
});

test("with a piece length it cuts the same text into other tokens, and puts it together again", () => {
  const other = createTokenizer(buildTokenizer(lexicon, { pieceLength: 4 }));
  const text = "<usr> what is this ? <ast> woman's hat <eos>";
  const ids = other.encode(text);
  expect(ids).toHaveLength(10);
  expect(other.decode(ids)).toBe(text);
  for (const word of lexicon.contentWords) {
    expect(other.encode(word), word).toHaveLength(Math.ceil(word.length / 4));
    expect(other.decode(other.encode(word))).toBe(word);
  }
});
