import { expect, it } from "vitest";
import { countWords, recordLength } from "./index.ts";

it("counts words as Python's split does", () => {
  expect(countWords("")).toBe(0);
  expect(countWords(" a\tb\n\nc\x1cd\x85e\u3000f ")).toBe(6);
  expect(countWords("a\ufeffb <image>\nc")).toBe(3); // U+FEFF is white space in JavaScript only
});

it("is negative for text only and 0 for what is no record", () => {
  const conversations = [
    { from: "human", value: "a b" },
    { from: "gpt", value: "c" },
  ];
  expect(recordLength({ image: "x", conversations })).toBe(3);
  expect(recordLength({ conversations })).toBe(-3);
  expect(recordLength({ image: null, conversations })).toBe(-3);
  expect(recordLength({ image: [], conversations })).toBe(-3);
  expect(recordLength({ image: "x", conversations: [{ from: "gpt", value: " " }] })).toBe(1);
  for (const record of [
    null,
    3,
    {},
    { conversations: [] },
    { conversations: [{}] },
    { conversations: [null] },
    { conversations: "x" },
  ])
    expect(recordLength(record)).toBe(0);
});
