import { expect, it } from "vitest";
import { commonVocabulary } from "./common-vocabulary.ts";

const qwen = ["!", '"', "#", "<|end|>"];

it("is the smaller of two tokenizers that agree, in lists and maps", () => {
  expect(commonVocabulary(qwen, [...qwen, "<|image|>"])).toBe(4);
  expect(commonVocabulary(new Map([...qwen.entries()]), qwen.slice(0, 3))).toBe(3);
  expect(commonVocabulary(qwen, new Map([...qwen.entries()].reverse()))).toBe(4);
});

it("refuses strings that differ and an id that one of both lacks", () => {
  expect(() => commonVocabulary(qwen, ["!", "'", "#"])).toThrow(
    /^commonVocabulary: id 1 must stand for one string, got "\\"" of the student and "'" of the teacher; take models of one tokenizer/,
  );
  const holes = new Map([
    [0, "!"],
    [2, "#"],
  ]);
  expect(() => commonVocabulary(holes, qwen)).toThrow(/id 1 .* got nothing of the student/);
  expect(() => commonVocabulary(qwen, [])).toThrow(/^commonVocabulary: teacher must have tokens, got none/);
});
