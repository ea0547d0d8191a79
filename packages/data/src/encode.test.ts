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

it("pads on the left for generation, spans included", () => {
  const samples = [encode("<image>\nwhat is it ?", "a star", "s.png"), encode("what ?", "moon")];
  const padding = { padId: 0, vocabSize: 100 };
  const [right, left] = [collate(samples, padding), collate(samples, { ...padding, side: "left" })];
  const row = (array: ArrayLike<number>, b: number) => Array.from(array).slice(b * 12, b * 12 + 12);
  expect(row(left.inputIds, 1)).toEqual([0, 0, 0, 0, 0, 0, ...row(right.inputIds, 1).slice(0, 6)]);
  expect(row(left.attentionMask, 1)).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
  expect(row(left.labels, 1).slice(6)).toEqual(row(right.labels, 1).slice(0, 6));
  expect(row(left.inputIds, 0)).toEqual(row(right.inputIds, 0));
  const one = { inputIds: [99], labels: [-100], imageSpans: [{ start: 0, length: 1 }] };
  expect(collate([one, samples[1] as (typeof samples)[0]], { ...padding, side: "left" }).imageSpans).toEqual([
    { sample: 0, start: 5, length: 1, image: 0 },
  ]);
});

it("writes the tiles of an image in a row", () => {
  const conversation = parseConversation(record("<image><image> what ?", "star", ["a.png", "b.png"]), "a.json[0]");
  const { inputIds, imageSpans } = encodeConversation(conversation, { ...options, tiles: [3, 1] });
  const starts = [1, 4, 7, 10]; // after "Q:"; the line ends between images are no tokens here
  expect(imageSpans).toEqual(starts.map((start) => ({ start, length: 3 })));
  expect(inputIds.slice(0, 14)).toEqual([8, ...Array(12).fill(99), 2]);
  expect(() => encodeConversation(conversation, { ...options, tiles: [3] })).toThrow(
    /tiles for image 1, got undefined/,
  );
});

it("gives each image the tokens that its size takes", () => {
  const conversation = {
    id: "a",
    images: ["a", "b"],
    rounds: [{ question: "<image>\n<image>\nboth?", answer: "yes" }],
  };
  const { inputIds, imageSpans } = encodeConversation(conversation, { ...options, imageTokens: [4, 2] });
  expect(imageSpans.map(({ length }) => length)).toEqual([4, 2]);
  for (const { start, length } of imageSpans)
    expect(inputIds.slice(start, start + length)).toEqual(Array(length).fill(options.imageTokenId));
  expect(inputIds.filter((id) => id === options.imageTokenId)).toHaveLength(6);
  expect(() => encodeConversation(conversation, { ...options, imageTokens: [4] })).toThrow(
    /tokens of image 1, got those of 1 images/,
  );
});

it("cuts the end at maxLength, but never an image", () => {
  const conversation = parseConversation(record("<image><image> what ?", "a star", ["a.png", "b.png"]), "a.json[0]");
  const whole = encodeConversation(conversation, options);
  const [first] = whole.imageSpans;
  for (let maxLength = 0; maxLength <= whole.inputIds.length + 1; maxLength++) {
    const { inputIds, labels, imageSpans } = encodeConversation(conversation, { ...options, maxLength });
    const kept =
      maxLength < 4 ? Math.min(maxLength, 1) : maxLength < 7 ? 4 : Math.min(maxLength, whole.inputIds.length);
    expect(inputIds).toEqual(whole.inputIds.slice(0, kept));
    expect(labels).toEqual(whole.labels.slice(0, kept));
    expect(imageSpans).toEqual(maxLength < 4 ? [] : maxLength < 7 ? [first] : whole.imageSpans);
  }
  const tiled = encodeConversation(conversation, { ...options, tiles: [1, 2], maxLength: 9 });
  expect(tiled.imageSpans).toEqual([first]); // half of the second image's tiles would fit
  expect(() => encodeConversation(conversation, { ...options, prompt: true, maxLength: 9 })).toThrow(
    /conversation r1: expected a prompt of at most 9 tokens, got 10/,
  );
});

it("starts with BOS where the tokenizer does", () => {
  const withBos = { ...tokenizer, prefixIds: [1] };
  const conversation = parseConversation(record("<image>\nwhat ?", "star", "s.png"), "a.json[0]");
  const { inputIds, labels, imageSpans } = encodeConversation(conversation, { ...options, tokenizer: withBos });
  expect(inputIds).toEqual([1, 8, 99, 99, 99, 2, 7, 9, 6, 1]);
  expect(labels.slice(0, 8)).toEqual(Array(8).fill(-100));
  expect(imageSpans).toEqual([{ start: 2, length: 3 }]);
});

it("encodes each part alone with a tokenizer that knows no parts", () => {
  const plain = { encode: tokenizer.encode, decode: tokenizer.decode };
  const conversation = parseConversation(record("<image>\nwhat ?", "a star", "s.png"), "a.json[0]");
  expect(encodeConversation(conversation, { ...options, tokenizer: plain })).toEqual(
    encodeConversation(conversation, options),
  );
});

it("refuses a tokenizer that is none", () => {
  expect(() => createTokenizer({ version: "1.0" })).toThrow(/tokenizer\.json/);
});
