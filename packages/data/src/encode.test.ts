import { expect, it } from "vitest";
import { tokenizerJson } from "../test/tiny-tokenizer.ts";
import { collate, createTokenizer, encodeConversation, parseConversation, type Template } from "./index.ts";

const tokenizer = createTokenizer(tokenizerJson);
const template: Template = {
  name: "mine",
  system: "",
  user: "Q: ",
  assistant: " A:",
  beforeAnswer: " ",
  afterAnswer: "<eos>",
};
const options = { tokenizer, template, imageTokenId: 99, imageTokens: 3 };
const record = (question: string, answer: string, image?: string | string[]) => ({
  id: "r1",
  ...(image === undefined ? {} : { image }),
  conversations: [
    { from: "human", value: question },
    { from: "gpt", value: answer },
  ],
});
const encode = (...args: Parameters<typeof record>) =>
  encodeConversation(parseConversation(record(...args), "a.json[0]"), options);

it("follows a template of the caller's, with answer and end alone supervised", () => {
  const { inputIds, labels, imageSpans } = encode("<image>\nwhat is it ?", "a star", "s.png");
  expect(inputIds).toEqual([8, 99, 99, 99, 2, 3, 4, 7, 9, 5, 6, 1]);
  expect(labels).toEqual([...Array(9).fill(-100), 5, 6, 1]);
  expect(imageSpans).toEqual([{ start: 1, length: 3 }]);
});

it("encodes text alone and several images", () => {
  expect(encode("what is it ?", "a moon").imageSpans).toEqual([]);
  expect(encode("<image><image> what ?", "star", ["a.png", "b.png"]).imageSpans.map((s) => s.start)).toEqual([1, 4]);
});

it.each([
  ["<image> what ?", undefined],
  ["<image><image> what ?", "a.png"],
  ["what ?", "a.png"],
])("names the record whose tags and images differ: %s", (question, image) => {
  expect(() => encode(question, "star", image)).toThrow(/conversation r1: expected one <image> an image/);
});

it("refuses an image tag in an answer", () => {
  expect(() => encode("what ?", "a <image>")).toThrow(/conversation r1: expected no <image> in an answer/);
});

it.each([
  [[0, 12], [-100, 1], "12"],
  [[0, -1], [-100, 1], "-1"],
  [[0, 1.5], [-100, 1], "1.5"],
  [[0, 1], [-100, 11], "11"],
  [[0, 1], [-101, 1], "-101"],
  [[0, 1], [1], "1 labels"],
])("names the sample of ids %j with labels %j", (inputIds, labels, got) => {
  const good = { inputIds: [1], labels: [-100], imageSpans: [] };
  const run = () => collate([good, { inputIds, labels, imageSpans: [] }], { padId: 0, vocabSize: 11 });
  expect(run).toThrow(`collate sample 1: expected as many labels as ids, all in 0…10, got ${got};`);
});

it("refuses a tokenizer that is none", () => {
  expect(() => createTokenizer({ version: "1.0" })).toThrow(/tokenizer\.json/);
});
