import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { checkVocabulary, createTokenizer } from "../src/index.ts";
import { loadChatTemplate, loadTokenizer } from "../src/node/index.ts";

const home = mkdtempSync(join(tmpdir(), "kd-tokenizer-"));
afterAll(() => rmSync(home, { recursive: true }));
const goldens = join(process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data"), "text/tokenizer");
const { qwen2, llama2, llama3 } = JSON.parse(
  readFileSync(join(import.meta.dirname, "fixtures/tokenizers.json"), "utf8"),
);
let folders = 0;
function folderOf(files: Record<string, unknown>): string {
  const folder = join(home, `${folders++}`);
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  return folder;
}

it("reads merges as pairs and as strings alike", async () => {
  const legacy = join(home, "legacy");
  cpSync(goldens, legacy, { recursive: true });
  cpSync(join(goldens, "tokenizer.legacy_merges.json"), join(legacy, "tokenizer.json"));
  const [now, then] = [await loadTokenizer(goldens), await loadTokenizer(legacy)];
  const text = "Where is the cat sitting? <image>\n<|im_end|> naïve 🐱";
  expect(then.encode(text)).toEqual(now.encode(text));
  expect(now).toMatchObject({
    eosToken: "<|endoftext|>",
    padToken: "<|endoftext|>",
    bosToken: undefined,
    maxLength: 2048,
    size: 560,
  });
  expect(now.idOf("<image>")).toBe(559);
});

it("takes special tokens as text or as objects, from either file, and obeys add_bos_token", async () => {
  const bos = { __type: "AddedToken", content: "<s>", lstrip: false };
  const both = await loadTokenizer(
    folderOf({
      "tokenizer.json": llama2,
      "tokenizer_config.json": { bos_token: bos, eos_token: null, add_bos_token: true, model_max_length: 1e30 },
      "special_tokens_map.json": { eos_token: { content: "</s>" }, bos_token: "<unk>" },
    }),
  );
  expect(both).toMatchObject({ bosToken: "<s>", eosToken: "</s>", prefixIds: [1], maxLength: undefined });
  expect(createTokenizer(llama2, { bos_token: "<s>", add_bos_token: false }).prefixIds).toEqual([]);
  const llama = { bos_token: "<|im_start|>", tokenizer_class: "LlamaTokenizerFast" };
  expect(createTokenizer(qwen2, llama).prefixIds).toEqual([421]); // the class's own default
  expect(createTokenizer(qwen2, { ...llama, tokenizer_class: "Qwen2Tokenizer" }).prefixIds).toEqual([]);
  expect(createTokenizer(llama3).prefixIds).toEqual([420]);
  expect(createTokenizer(qwen2, { bos_token: "<|im_start|>", add_bos_token: true }).prefixIds).toEqual([421]);
});

it("adds tokens that only the configuration has", () => {
  const config = {
    added_tokens_decoder: { 423: { content: "<image>", special: true }, 420: { content: "<|endoftext|>" } },
  };
  const tokenizer = createTokenizer(qwen2, config);
  expect(tokenizer.encode("a<image>b")).toEqual([...tokenizer.encode("a"), 423, ...tokenizer.encode("b")]);
  expect(tokenizer.size).toBe(424);
});

it("decodes around ids that no token has", () => {
  const tokenizer = createTokenizer(qwen2);
  expect(tokenizer.decode([...tokenizer.encode("ab"), 5000, ...tokenizer.encode("cd")])).toBe("abcd");
  expect(tokenizer.decode([])).toBe("");
});

it("finds the chat template where folders keep it", async () => {
  const messages = [{ role: "user" as const, content: "hi" }];
  const own = "{{ bos_token }}own {{ messages[0].content }}";
  const files = {
    "tokenizer.json": qwen2,
    "tokenizer_config.json": { chat_template: own, bos_token: "<|im_start|>" },
  };
  expect((await loadChatTemplate(folderOf(files)))?.render(messages)).toBe("<|im_start|>own hi");
  const json = { ...files, "chat_template.json": { chat_template: "json {{ messages[0].content }}" } };
  expect((await loadChatTemplate(folderOf(json)))?.render(messages)).toBe("json hi");
  const jinja = { ...json, "chat_template.jinja": "jinja {{ messages[0].content }}" };
  expect((await loadChatTemplate(folderOf(jinja)))?.render(messages)).toBe("jinja hi");
  const several = [
    { name: "tool_use", template: "tools" },
    { name: "default", template: "default" },
  ];
  const named = { ...files, "tokenizer_config.json": { chat_template: several } };
  expect((await loadChatTemplate(folderOf(named)))?.render(messages)).toBe("default");
  expect(await loadChatTemplate(folderOf({ "tokenizer.json": qwen2 }))).toBeUndefined();
});

it("reads no tokenizer for a chat template, and none of the tokenizer's files beside a loaded tokenizer", async () => {
  const messages = [{ role: "user" as const, content: "hi" }];
  const config = { chat_template: "{{ bos_token }}{{ messages[0].content }}", bos_token: "<|im_start|>" };
  const damaged = folderOf({ "tokenizer.json": "{", "tokenizer_config.json": config });
  expect((await loadChatTemplate(damaged))?.render(messages)).toBe("<|im_start|>hi");
  const tokenizer = createTokenizer(qwen2, config);
  const bare = folderOf({ "tokenizer_config.json": "{", "special_tokens_map.json": "{" });
  expect((await loadChatTemplate(bare, { tokenizer }))?.render(messages)).toBe("<|im_start|>hi");
  await expect(loadChatTemplate(bare)).rejects.toThrow(/tokenizer_config\.json: expected a JSON object/);
  const wrong = folderOf({ "tokenizer_config.json": { bos_token: 3 } });
  await expect(loadChatTemplate(wrong)).rejects.toThrow(/tokenizer_config\.json: .*bos_token/s);
});

it.each([
  [{}, /tokenizer\.json: expected a fast tokenizer, got no such file/],
  [{ "tokenizer.json": "{" }, /tokenizer\.json: expected a JSON object, got SyntaxError/],
  [{ "tokenizer.json": "[]" }, /tokenizer\.json: not a tokenizer that can be read/],
  [{ "tokenizer.json": "3" }, /tokenizer\.json: expected a JSON object/],
  [
    { "tokenizer.json": { model: { type: "BPE", vocab: { a: 0 } } } },
    /tokenizer\.json: not a tokenizer that can be read, got TypeError/,
  ],
  [
    { "tokenizer.json": { model: { type: "BPE", vocab: null, merges: [] } } },
    /tokenizer\.json: .*expected a vocabulary/s,
  ],
  [
    { "tokenizer.json": { ...qwen2, normalizer: { type: "Magic" } } },
    /tokenizer\.json: .*Unknown Normalizer type: Magic/,
  ],
  [{ "tokenizer.json": qwen2, "tokenizer_config.json": { eos_token: 7 } }, /tokenizer_config\.json: .*eos_token/s],
])("names the file of %j", async (files, message) => {
  const loading = loadTokenizer(folderOf(files));
  await expect(loading).rejects.toMatchObject({ code: "KD_DATA", message: expect.stringMatching(message) });
  await expect(loading).rejects.toThrow(home);
});

it("says when the tokenizer does not match the embedding", () => {
  expect(checkVocabulary({ tokenizerSize: 151646, vocabSize: 151936, imageTokenId: 151646 })).toBe(289);
  expect(checkVocabulary({ tokenizerSize: 10, vocabSize: 10 })).toBe(0);
  expect(() => checkVocabulary({ tokenizerSize: 11, vocabSize: 10 })).toThrow(
    /expected ids below its 10 rows, got 10;/,
  );
  expect(() => checkVocabulary({ tokenizerSize: 10, vocabSize: 10, imageTokenId: 10 })).toThrow(
    /got 10 as the image token/,
  );
});
