import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createChatTemplate, createTokenizer, encodeConversation, stopTokenIds, templates } from "../src/index.ts";

const read = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, "fixtures", name), "utf8"));
const files = read("tokenizers.json");
const { tokenizers, chat_templates: sources } = read("text.json");
const IMAGE = 5000;

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 8 }),
  fc
    .array(
      fc.constantFrom(
        "dog",
        " ",
        "\n",
        "7",
        "42",
        "🐱",
        "👩‍👩‍👧",
        "e\u0301",
        "שלום",
        "مرحبا",
        "猫",
        ".",
        "ASSISTANT: ",
        "USER:",
      ),
      {
        maxLength: 9,
      },
    )
    .map((words) => words.join("")),
);
const rounds = fc.array(fc.record({ question: text, answer: text }), { minLength: 1, maxLength: 3 });

/** Every template with the end that this tokenizer knows; a chat template trims its answers. */
function templatesFor(eos: string) {
  const builtIn = Object.values(templates).map((template) => {
    const template_ = template.afterAnswer.trim() === "" ? template : { ...template, afterAnswer: eos };
    return { template: template_, trims: false };
  });
  const chat = (name: string, trims: boolean) => ({
    template: createChatTemplate(sources[name].replaceAll(/<\|im_end\|>|<end_of_turn>|<\|eot_id\|>/g, eos), {
      name,
      eosToken: eos,
    }),
    trims,
  });
  return [...builtIn, chat("chatml", false), chat("inst", true), chat("turns", true)];
}

describe.each(Object.keys(files))("decode(supervised) is answers and ends: %s", (name) => {
  const tokenizer = createTokenizer(files[name]);
  const { eos } = tokenizers[name];
  // what text becomes by way of ids where nothing is unknown; unigram and WordPiece forget blanks, case and what they do not know
  const lossy = name === "unigram" || name === "wordpiece";
  // Llama's decoder takes a first blank away; where the stretch itself begins with the answer, its encoder wrote that blank
  const unspaced = (said: string, begins: boolean) => (begins ? said.trimStart() : said.replace(/^ /, ""));
  const plain = (said: string) => (name === "qwen2" ? said.normalize("NFC") : said);

  it.each(templatesFor(eos))("$template.name", ({ template, trims }) => {
    expect(stopTokenIds(template, tokenizer)).toEqual(
      "afterAnswer" in template && template.afterAnswer === "\n" ? [] : tokenizer.encode(eos),
    );
    fc.assert(
      fc.property(rounds, fc.integer({ min: 0, max: 2 }), (many, images) => {
        const drawn = template.name === "pretrain" ? many.slice(0, 1) : many; // captions have one turn
        // tags of added tokens, what the library's TextDecoder drops, and SentencePiece's own blank
        fc.pre(drawn.every(({ answer, question }) => !/[<\uFEFF\u2581\u{f0000}]/u.test(answer + question)));
        const conversation = {
          id: "1",
          images: Array(images).fill("a.png"),
          rounds: drawn.map(({ question, answer }, i) => ({
            question: i === 0 ? "<image>".repeat(images) + question : question,
            answer,
          })),
        };
        const options = { tokenizer, template, imageTokenId: IMAGE, imageTokens: 2 };
        const { inputIds, labels, imageSpans } = encodeConversation(conversation, options);
        const prompt = encodeConversation(conversation, { ...options, prompt: true });
        expect(imageSpans).toHaveLength(images);
        expect(inputIds.filter((id) => id === IMAGE)).toHaveLength(2 * images);
        labels.forEach((label, i) => {
          if (label !== -100) expect(label).toBe(inputIds[i]);
        });
        // the runs of supervised ids, one a round
        const runs: number[][] = [];
        labels.forEach((label, i) => {
          if (label === -100) return;
          if (i === 0 || labels[i - 1] === -100) runs.push([]);
          runs.at(-1)?.push(label);
        });
        const lead = "beforeAnswer" in template ? template.beforeAnswer : template.name === "inst" ? " " : "";
        const end = "afterAnswer" in template ? template.afterAnswer : template.name === "inst" ? ` ${eos}` : eos;
        const want = drawn.map(({ answer }) => lead + (trims ? answer.trim() : answer) + end);
        const got = runs.map((run) => tokenizer.decode(run));
        if (lossy) expect(got.join("")).toBe(want.map((said) => tokenizer.decode(tokenizer.encode(said))).join(""));
        else if (name.startsWith("llama2")) {
          const begins = template.name === "pretrain";
          expect(begins ? got.map((said) => said.trimStart()) : got).toEqual(
            want.map((said) => unspaced(said, begins)),
          );
        } else expect(got.join("")).toBe(plain(want.join("")));
        if (template.name !== "pretrain" && !lossy)
          expect(inputIds.slice(0, prompt.inputIds.length)).toEqual(prompt.inputIds);
      }),
      { numRuns: 40 },
    );
  });
});
