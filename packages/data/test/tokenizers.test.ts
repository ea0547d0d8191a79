import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createTokenizer, encodeConversation, templates } from "../src/index.ts";

// tokenizers of seven kinds and what Hugging Face's tokenizers make of texts with them: fixtures/generate_text.py
const read = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, "fixtures", name), "utf8"));
const files = read("tokenizers.json");
const { tokenizers, added } = read("text.json");

/** What `encodeParts` gives for text, image, text. */
const around = (ids: number[], image: number) => [
  ids.slice(0, ids.indexOf(image)),
  [],
  ids.slice(ids.indexOf(image) + 1),
];

it.each(Object.keys(added))("finds added tokens as Hugging Face: %s", (name) => {
  const tokenizer = createTokenizer({ ...files[name], added_tokens: added[name].added_tokens });
  for (const [text, ids] of added[name].encoded) expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
});

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

  it("takes an image for a boundary, as the token <image> is one", () => {
    const image = { id: size, content: "<image>", special: true, normalized: false, lstrip: false, rstrip: false };
    const knowing = createTokenizer({ ...files[name], added_tokens: [...files[name].added_tokens, image] });
    for (const [before, after] of [
      ["", "a dog"],
      ["two cats", "\nin it"],
      [" a ", " b"],
    ] as const)
      expect(tokenizer.encodeParts([before, null, after])).toEqual(
        around(knowing.encode(`${before}<image>${after}`), size),
      );
  });

  it("keeps parts apart, empty ones too", () => {
    const [first, nothing, ...rest] = tokenizer.encodeParts(["two", "", " dogs", null, "", eos, "x"]);
    expect([nothing, rest[1], rest[2]]).toEqual([[], [], []]);
    expect([...(first as number[]), ...(rest[0] as number[])]).toEqual(tokenizer.encode("two dogs"));
    expect(rest[3]).toEqual(tokenizer.encode(eos));
    expect(rest[4]).not.toHaveLength(0);
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
