import { createTokenizer, encodeConversation, templates } from "@kd/data";
import { expect, it } from "vitest";
import { tokenizerJson } from "../../data/test/tiny-tokenizer.ts";
import { chatTemplateOf, type Message, promptText, type TemplateName } from "./prompt.ts";
import type { TextFiles } from "./text-files.ts";

const tokenizer = createTokenizer(tokenizerJson);
const text = (chatTemplate?: string): TextFiles => ({
  tokenizer,
  tokenizerJson,
  tokenizerConfig: { eos_token: "<eos>" },
  chatTemplate,
  eosTokenIds: [],
});
const talk: readonly Message[] = [
  { role: "user", content: "what is it ?", images: 1 },
  { role: "assistant", content: 'a "star" \\ {{ moon }}' },
  { role: "user", content: "is it a moon ?" },
];

it.each(["phi", "qwen2_base", "qwen2_instruct", "llama", "gemma"] as TemplateName[])(
  "a student that was trained with %s is asked so by its own chat template",
  (name) => {
    const written = promptText(talk, text(chatTemplateOf(templates[name])));
    expect(written).toBe(promptText(talk, text(), name));
    const rounds = [
      { question: "<image>\nwhat is it ?", answer: 'a "star" \\ {{ moon }}' },
      { question: "is it a moon ?", answer: "" },
    ];
    const encoded: string[] = [];
    const spy = { encode: (part: string) => [encoded.push(part)], decode: () => "" };
    encodeConversation(
      { id: "", images: ["a.png"], rounds },
      { tokenizer: spy, template: templates[name], imageTokenId: 1, imageTokens: 1, prompt: true },
    );
    expect(written.replace("<image>", "")).toBe(encoded.join(""));
  },
);

it.each([
  ["takes text", "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }};{% endfor %}", "user: <image>\nwhat ?;"],
  [
    "takes parts",
    "{% for m in messages %}{% for p in m['content'] %}{% if p['type'] == 'image' %}<image>{% else %}{{ p['text'] }}{% endif %}{% endfor %}{% endfor %}",
    "<image>what ?",
  ],
  ["writes the place itself", "<image>{% for m in messages %}{{ m['content'] }}{% endfor %}", "<image>what ?"],
])("a chat template that %s gets one place a picture", (_, template, written) => {
  expect(promptText([{ role: "user", content: "what ?", images: 1 }], text(template))).toBe(written);
});

it("says what to do without a chat template, and with one that loses a picture or a turn", () => {
  const ask = (template?: string) => () => promptText([{ role: "user", content: "what ?", images: 1 }], text(template));
  expect(ask()).toThrow(/no chat template; choose a --template/);
  expect(ask("{{ messages[0]['content'] | upper }}<image>")).toThrow(/expected every turn and 1 <image>/);
  expect(ask("<image><image>{{ messages[0]['content'] }}")).toThrow(/got 2, 2, 3/);
});
