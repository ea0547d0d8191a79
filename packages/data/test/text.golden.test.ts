import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { collate, createTokenizer, encodeConversation, parseConversations, templates } from "../src/index.ts";

const folder = join(process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data"), "text");
const read = (name: string) => JSON.parse(readFileSync(join(folder, name), "utf8"));
const tokenizer = createTokenizer(read("tokenizer/tokenizer.json"));
const { image_id: imageTokenId, rows } = read("tokenize.json");
const items = parseConversations(read("conversations.json"), { file: "conversations.json" });

it("tokenises as the reference", () => {
  for (const row of rows) expect(tokenizer.encode(row.text), row.text).toEqual(row.ids);
});

describe.each(["qwen2_base", "qwen2_instruct", "pretrain"] as const)("%s", (name) => {
  for (const row of read(`expected_${name}.json`).rows)
    it(row.id, () => {
      const conversation = items.find((item) => item.id === row.id);
      if (!conversation) throw new Error(row.id);
      const template = templates[name];
      const one = encodeConversation(conversation, { tokenizer, template, imageTokenId, imageTokens: 1 });
      expect(one.inputIds).toEqual(row.input_ids);
      expect(one.labels).toEqual(row.labels);
      expect(tokenizer.decode(one.labels.filter((id) => id >= 0))).toBe(row.supervised_text);
      const spliced = encodeConversation(conversation, {
        tokenizer,
        template,
        imageTokenId,
        imageTokens: row.spliced.n_visual,
      });
      expect(spliced.labels).toEqual(row.spliced.labels);
      expect(spliced.imageSpans.map((s) => [s.start, s.length])).toEqual(row.spliced.image_spans);
    });
});

it("collates as the reference", () => {
  const want = read("collate.json");
  const samples = want.ids.map((id: string) => {
    const conversation = items.find((item) => item.id === id);
    if (!conversation) throw new Error(id);
    return encodeConversation(conversation, {
      tokenizer,
      template: templates.qwen2_base,
      imageTokenId,
      imageTokens: 1,
    });
  });
  const batch = collate(samples, { padId: want.pad_id, vocabSize: imageTokenId + 1 });
  expect([...batch.inputIds]).toEqual(want.input_ids.flat().map((id: number) => (id === -200 ? imageTokenId : id)));
  expect([...batch.labels]).toEqual(want.labels.flat());
  expect([...batch.attentionMask]).toEqual(want.attention_mask.flat());
});

it("writes evaluation prompts as the reference", () => {
  for (const row of read("eval_prompts.json")) {
    const conversation = items.find((item) => item.id === row.id);
    if (!conversation) throw new Error(row.id);
    const first = { ...conversation, rounds: conversation.rounds.slice(0, 1) };
    const options = { tokenizer, template: templates.qwen2_base, imageTokenId, imageTokens: 1, prompt: true };
    const want = row.input_ids.map((id: number) => (id === -200 ? imageTokenId : id));
    expect(encodeConversation(first, options).inputIds, row.id).toEqual(want);
  }
});
