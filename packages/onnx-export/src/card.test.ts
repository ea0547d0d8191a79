import { expect, it } from "vitest";
import { onnxCard } from "./card.ts";

it("names the library in a card's fields and keeps the rest", () => {
  const card = "---\nlicense: mit\nlibrary_name: transformers\ntags:\n- vision\n---\n# Student\n\n---\nmore\n";
  const expected = "---\nlicense: mit\ntags:\n- vision\nlibrary_name: transformers.js\n---\n# Student\n\n---\nmore\n";
  expect(onnxCard(card, "fp16")).toBe(expected);
  expect(onnxCard(expected, "fp16")).toBe(expected);
});

it("gives fields to a card without them, and a card to a model without one", () => {
  expect(onnxCard("# Student\n\n---\nmore\n", "fp16")).toBe(
    "---\nlibrary_name: transformers.js\n---\n\n# Student\n\n---\nmore\n",
  );
  expect(onnxCard(undefined, "fp16")).toMatch(/^---\nlibrary_name: transformers\.js\n[\s\S]*ONNX \(fp16\)/);
});
