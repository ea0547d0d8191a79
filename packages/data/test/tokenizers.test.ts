import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createTokenizer, encodeConversation, templates } from "../src/index.ts";

// tokenizers of seven kinds and what Hugging Face's tokenizers make of texts with them: fixtures/generate_text.py
const read = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, "fixtures", name), "utf8"));
const files = read("tokenizers.json");
const { tokenizers } = read("text.json");

describe.each(Object.keys(files))("%s", (name) => {
  const tokenizer = createTokenizer(files[name]);
  const { encoded, decoded, conversations, bos, size, eos } = tokenizers[name];

  it("encodes and decodes as Hugging Face", () => {
    encoded.forEach(([text, ids]: [string, number[]], i: number) => {
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(tokenizer.decode(ids), JSON.stringify(text)).toBe(decoded[i]);
    });
  });

  it("knows its size and what starts a text", () => {
    expect(tokenizer.size).toBe(size);
    expect(tokenizer.prefixIds).toEqual(bos);
  });

  it("masks as the offsets of the whole text", () => {
    for (const { rounds, ids, labels } of conversations) {
      const conversation = {
        id: "1",
        images: [],
        rounds: rounds.map(([question, answer]: [string, string]) => ({ question, answer })),
      };
      const template = { ...templates.llama, afterAnswer: eos };
      const sample = encodeConversation(conversation, { tokenizer, template, imageTokenId: 0, imageTokens: 1 });
      expect(sample.inputIds, rounds[0][1]).toEqual([...bos, ...ids]);
      expect(sample.labels, rounds[0][1]).toEqual([...bos.map(() => -100), ...labels]);
    }
  });
});
