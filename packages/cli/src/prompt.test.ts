import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeConversation, type TemplateName, templates } from "@kd/data";
import { afterAll, beforeAll, expect, it } from "vitest";
import { tokenizerJson } from "../../data/test/tiny-tokenizer.ts";
import { chatTemplateOf, type Message, type PromptModel, promptOf, rawPrompt } from "./prompt.ts";
import { readTextFiles } from "./text-files.ts";

const N = 3;
const vision = { model: { config: { image_token_index: 19 } }, processor: { tokens: N } };
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kd-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A model whose tokenizer starts every text with BOS where `bos` is true, as Llama's. */
async function model(chatTemplate?: string, bos = false): Promise<PromptModel> {
  const special = { ...tokenizerJson.added_tokens[0], id: 11, content: "<s>" };
  const added_tokens = [...tokenizerJson.added_tokens, special];
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify({ ...tokenizerJson, added_tokens }));
  writeFileSync(
    join(folder, "tokenizer_config.json"),
    JSON.stringify({ bos_token: "<s>", eos_token: "<eos>", add_bos_token: bos, chat_template: chatTemplate }),
  );
  return { text: await readTextFiles(folder), vision };
}

const talk: readonly Message[] = [
  { role: "user", content: "what is it ?", images: 1 },
  { role: "assistant", content: "a star" },
  { role: "user", content: "is it a moon ?" },
];

it.each(["phi", "qwen2_base", "qwen2_instruct", "llama", "gemma", "chatml"] as TemplateName[])(
  "a student that was trained with %s is asked so by its own chat template, with BOS where training had it",
  async (name) => {
    for (const bos of [false, true]) {
      const own = await model(chatTemplateOf(templates[name], bos ? "<s>" : ""), bos);
      const rounds = [
        { question: "<image>\nwhat is it ?", answer: "a star" },
        { question: "is it a moon ?", answer: "a moon" },
      ];
      const { tokenizer } = own.text;
      const trained = encodeConversation(
        { id: "", images: ["a.png"], rounds },
        { tokenizer, template: templates[name], imageTokenId: 19, imageTokens: N },
      );
      const asked = await promptOf(talk, own);
      expect(asked.inputIds[0] === 11).toBe(bos);
      expect(asked.inputIds).toEqual(trained.inputIds.slice(0, asked.inputIds.length));
      expect(asked.imageSpans).toEqual(trained.imageSpans);
      expect((await promptOf(talk, own, name)).inputIds).toEqual(asked.inputIds);
    }
  },
);

it.each([
  ["takes text", "{% for m in messages %}{{ m['content'] }} {% endfor %}A:", [19, 19, 19, 2, 7, 9]],
  [
    "takes parts",
    "{% for m in messages %}{% for p in m['content'] %}{% if p['type'] == 'image' %}<image>{% else %} {{ p['text'] }} {% endif %}{% endfor %}{% endfor %}A:",
    [19, 19, 19, 2, 7, 9],
  ],
])("a chat template that %s gets one place a picture", async (_, template, ids) => {
  const { inputIds, imageSpans } = await promptOf(
    [{ role: "user", content: "what ?", images: 1 }],
    await model(template),
  );
  expect([inputIds, imageSpans]).toEqual([ids, [{ start: 0, length: N }]]);
});

it("says what to do without a chat template, and with one that loses a picture", async () => {
  const ask = async (template?: string) =>
    promptOf([{ role: "user", content: "what ?", images: 1 }], await model(template));
  await expect(ask()).rejects.toThrow(/no chat template; choose a --template/);
  await expect(ask("{{ messages[0]['content'] }}<image>")).rejects.toThrow(/one <image> an image, got 2 tags and 1/);
});

it("raw prompts are Hugging Face's tokenizer(prompt): BOS where the tokenizer adds one, pictures where the text says", async () => {
  const asked = (text: string, images: number, bos: boolean) =>
    model(undefined, bos).then((own) => rawPrompt(text, images, own));
  expect((await asked("what is it", 0, false)).inputIds).toEqual([2, 3, 4]);
  expect((await asked("what is it", 0, true)).inputIds).toEqual([11, 2, 3, 4]);
  expect(await asked("Q: <image> what", 1, true)).toEqual({
    inputIds: [11, 8, 19, 19, 19, 2],
    imageSpans: [{ start: 2, length: N }],
  });
  await expect(asked("what", 1, false)).rejects.toThrow(/prompt: expected 1 <image>, one a picture, got 0/);
});
