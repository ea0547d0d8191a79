import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createChatTemplate, createTokenizer, encodeConversation, stopTokenIds, templates } from "../src/index.ts";

// chat templates of six kinds and Transformers' rendering: fixtures/generate_text.py
const read = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, "fixtures", name), "utf8"));
const { chats, chat_templates: sources } = read("text.json");
const tokenizer = createTokenizer(read("tokenizers.json").qwen2);
const chat = (name: string) =>
  createChatTemplate(sources[name], { name, bosToken: "<|endoftext|>", eosToken: "<|im_end|>" });
const ends: Record<string, string> = {
  inst: " <|im_end|>",
  headers: "<|eot_id|>",
  turns: "<end_of_turn>",
};
const conversationOf = (rounds: [string, string][], images: string[] = []) => ({
  id: "c",
  images,
  rounds: rounds.map(([question, answer], i) => ({
    question: i === 0 && images.length > 0 ? `<image>\n${question}` : question,
    answer,
  })),
});
const IMAGE = 999;

describe.each(Object.keys(sources))("%s", (name) => {
  const template = chat(name);
  const trims = ["inst", "headers", "turns"].includes(name);
  const images = name === "parts" ? ["a.png"] : [];
  const options = { tokenizer, template, imageTokenId: IMAGE, imageTokens: 1 };
  const text = (ids: readonly number[]) =>
    ids
      .join()
      .split(`${IMAGE}`)
      .map((run) => tokenizer.decode(run.split(",").filter(Boolean).map(Number)))
      .join("<image>");

  it("renders as Transformers and supervises answers and their ends", () => {
    for (const { rounds, text: want, prompt } of chats.filter((row: { name: string }) => row.name === name)) {
      const conversation = conversationOf(rounds, images);
      const sample = encodeConversation(conversation, options);
      expect(text(sample.inputIds)).toBe(want.normalize("NFC"));
      const supervised = tokenizer.decode(sample.labels.filter((id) => id >= 0));
      const lead = name === "inst" ? " " : "";
      const said = rounds.map(
        ([, a]: [string, string]) => lead + (trims ? a.trim() : a) + (ends[name] ?? "<|im_end|>"),
      );
      expect(supervised).toBe(said.join("").normalize("NFC"));
      const asked = encodeConversation(conversation, { ...options, prompt: true });
      expect(text(asked.inputIds)).toBe(prompt.normalize("NFC"));
    }
  });

  it("begins with what the prompt is", () => {
    if (name === "no_generation_prompt" || name === "parts") return; // their prompts are no beginnings
    for (const { rounds } of chats.filter((row: { name: string }) => row.name === name)) {
      const whole = encodeConversation(conversationOf(rounds), options).inputIds;
      const asked = encodeConversation(conversationOf(rounds), { ...options, prompt: true }).inputIds;
      expect(whole.slice(0, asked.length)).toEqual(asked);
    }
  });
});

it("writes ChatML as Qwen's own chat template, token by token", () => {
  for (const { rounds } of chats) {
    const options = { tokenizer, imageTokenId: IMAGE, imageTokens: 3 };
    const conversation = conversationOf(rounds, ["a.png"]);
    for (const prompt of [false, true])
      expect(encodeConversation(conversation, { ...options, template: templates.chatml, prompt })).toEqual(
        encodeConversation(conversation, { ...options, template: chat("chatml"), prompt }),
      );
  }
});

it("finds the token that ends an answer, and refuses another model's", () => {
  const end = tokenizer.encode("<|im_end|>");
  expect(stopTokenIds(chat("chatml"), tokenizer)).toEqual(end);
  expect(stopTokenIds(chat("inst"), tokenizer)).toEqual(end);
  expect(stopTokenIds(templates.qwen2_instruct, tokenizer)).toEqual(end);
  expect(stopTokenIds(templates.pretrain, tokenizer)).toEqual([]);
  expect(() => stopTokenIds(templates.llama, tokenizer)).toThrow(
    /template llama: expected the end .* "<\/s>", to be one/,
  );
});

it.each([
  [
    "{% for m in messages %}{{ m.content }}|{% if loop.last %}!{% endif %}{% endfor %}",
    /cuts into prompts and answers, got another end/,
  ],
  ["{% for m in messages %}{{ m.content | upper }};{% endfor %}", /text around answer 1 that depends/],
  ["{{ messages | length }}", /an answer that is not exactly once/],
])("says that %s cannot be split", (source, message) => {
  const template = createChatTemplate(source, { name: "mine" });
  const conversation = conversationOf([
    ["q", "a"],
    ["q", "b"],
  ]);
  const run = () => encodeConversation(conversation, { tokenizer, template, imageTokenId: IMAGE, imageTokens: 1 });
  expect(run).toThrow(message);
  expect(run).toThrow(/^mine: expected a template .*choose a built-in template/);
});

it("generates from a template that cannot be split", () => {
  const template = createChatTemplate("{% for m in messages %}{{ m.content | upper }};{% endfor %}");
  const conversation = conversationOf([
    ["q", "a"],
    ["r", ""],
  ]);
  const options = { tokenizer, template, imageTokenId: IMAGE, imageTokens: 1, prompt: true };
  expect(tokenizer.decode(encodeConversation(conversation, options).inputIds)).toBe("Q;A;R;");
});

it("cuts earlier answers of a prompt as it does in training", () => {
  const gemma = createTokenizer(read("tokenizers.json").gemma); // has a token of two line ends
  const template = createChatTemplate(sources.chatml.replaceAll("<|im_end|>", "<eos>"));
  const conversation = conversationOf([
    ["q", "\n"],
    ["r", ""],
  ]);
  const options = { tokenizer: gemma, template, imageTokenId: IMAGE, imageTokens: 1 };
  const { inputIds } = encodeConversation(conversation, { ...options, prompt: true });
  expect(encodeConversation(conversation, options).inputIds.slice(0, inputIds.length)).toEqual(inputIds);
});

it("names a template that does not parse, and one that refuses the messages", () => {
  expect(() => createChatTemplate("{% for %}", { name: "broken" })).toThrow(/broken: expected a Jinja template, got/);
  const system = createChatTemplate(sources.inst, { name: "inst", system: "Be brief." });
  const conversation = conversationOf([["q", "a"]]);
  expect(() =>
    encodeConversation(conversation, { tokenizer, template: system, imageTokenId: IMAGE, imageTokens: 1 }),
  ).toThrow(/inst: expected messages that the template accepts \(system, user, assistant\), got .*must alternate/);
});
