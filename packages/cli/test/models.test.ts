import { copyFile, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collate, createTokenizer, siglipPixels, siglipProcessorConfig } from "@kd/data";
import { readImage } from "@kd/data/node";
import { generate } from "@kd/mllm";
import { loadLlava } from "@kd/mllm/node";
import { readWeights, writeSafetensors } from "@kd/safetensors/node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { tokenizerJson } from "../../data/test/tiny-tokenizer.ts";
import { makeFolders } from "./folders.ts";
import { kd, kdHere } from "./kd.ts";

let home: string;
const at = (...names: string[]): string => join(home, ...names);
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "kd-cli-"));
  await makeFolders(home);
});
afterAll(() => rm(home, { recursive: true }));

it("inspect counts parts, tokens and pictures", async () => {
  const { code, out } = await kdHere(["inspect", at("student"), "--json"]);
  expect(code).toBe(0);
  const found = JSON.parse(out);
  expect(found).toMatchObject({
    layout: "llava",
    tokenizer: { tokens: 11, chat_template: true, eos_token_ids: [1] },
    image: { size: 8, visual_tokens: 4, image_token: 19 },
    findings: [],
  });
  const weights = [...(await readWeights(at("student"))).values()];
  const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  expect(sum(found.parts.map((part: { parameters: number }) => part.parameters))).toBe(
    sum(weights.map(({ shape }) => count(shape))),
  );
  expect((await kdHere(["inspect", at("language-model")])).out).toMatch(
    /layout\s+language-model[\s\S]*nothing is missing/,
  );
  expect((await kdHere(["inspect", at("tower")])).out).toContain("vision-tower");
});

it("inspect finds what is missing, too much and of another shape", async () => {
  await cp(at("student"), at("broken"), { recursive: true });
  const tensors = [...(await readWeights(at("student")))].map(
    ([name, t]) => [name, { ...t, data: t.data.slice() }] as const,
  );
  const broken = tensors
    .filter(([name]) => !name.endsWith("linear_2.bias"))
    .map(([name, t]) => [name, name.endsWith("model.norm.weight") ? { ...t, shape: [2, 4] } : t] as const);
  await writeSafetensors(at("broken", "model.safetensors"), [
    ...broken,
    ["more", { dtype: "F32", shape: [1], data: new Float32Array(1) }],
  ] as never);
  const { findings } = JSON.parse((await kdHere(["inspect", at("broken"), "--json"])).out);
  expect(findings).toEqual([
    "1 missing tensors: multi_modal_projector.linear_2.bias",
    "1 tensors of no part: more",
    "1 tensors of another shape: language_model.model.norm.weight [2,4] instead of [8]",
  ]);
});

it("generate gives the ids that the model gives, as text, as JSON, from a file and raw", async () => {
  const picture = at("pictures", "star.png");
  const question = ["generate", at("student"), "--image", picture, "--max-new-tokens", "6"];
  const { code, out, err } = await kdHere([...question, "--prompt", "what is it ?", "--json"]);
  expect([code, err]).toEqual([0, ""]);
  const answer = JSON.parse(out);
  const inputIds = [8, 19, 19, 19, 19, 2, 3, 4, 7, 9]; // Q: <image> what is it ? A:
  expect(answer.prompt_ids).toEqual(inputIds);
  const batch = collate([{ inputIds, labels: inputIds, imageSpans: [{ start: 1, length: 4 }] }], {
    padId: 0,
    vocabSize: 20,
  });
  const data = siglipPixels(await readImage(picture), { size: 8 });
  const images = { kind: "pixels", data, shape: [1, 8, 8, 3] } as const;
  const model = await loadLlava(at("student"));
  const [expected = []] = await generate(model, { ...batch, images }, { maxNewTokens: 6, eosTokenIds: [1] });
  expect(answer.ids).toEqual(expected);
  expect(expected.length).toBeGreaterThan(1);
  const text = createTokenizer(tokenizerJson).decode(expected);
  expect(answer).toMatchObject({
    text,
    tokens_per_second: expect.any(Number),
    finish_reason: expected.length < 6 ? "stop" : "length",
  });
  expect((await kd([...question, "--prompt-file", "-"], { input: "what is it ?\n" })).out).toBe(`${text}\n`);
  await writeFile(at("question.txt"), "Q: <image>\nwhat is it ? A:");
  expect(
    JSON.parse((await kdHere([...question, "--raw", "--prompt-file", at("question.txt"), "--json"])).out).ids,
  ).toEqual(expected);
});

it("generate draws by the seed and stops at a text", async () => {
  const question = ["generate", at("student"), "--prompt", "what is it ?", "--max-new-tokens", "12", "--json"];
  const ids = async (...more: string[]) => JSON.parse((await kdHere([...question, ...more])).out).ids;
  const draw = (seed: string) => ids("--temperature", "5", "--seed", seed);
  expect(await draw("1")).toEqual(await draw("1"));
  expect(await draw("1")).not.toEqual(await draw("2"));
  const { text } = JSON.parse((await kdHere(question)).out);
  const [first, second] = text.split(" ");
  expect(second).toBeDefined();
  const stop = text.slice(first.length, first.length + 2);
  expect(JSON.parse((await kdHere([...question, "--stop", stop])).out).text).toBe(first);
});

it("export writes the folder of transformers.js", async () => {
  await cp(at("student"), at("tagged"), { recursive: true });
  await writeFile(at("tagged", "preprocessor_config.json"), JSON.stringify(siglipProcessorConfig(8)));
  const tokens = [...tokenizerJson.added_tokens, { ...tokenizerJson.added_tokens[0], id: 19, content: "<image>" }];
  await writeFile(at("tagged", "tokenizer.json"), JSON.stringify({ ...tokenizerJson, added_tokens: tokens }));
  const { code, out, err } = await kdHere(["export", at("tagged"), "--format", "onnx", "--out", at("web"), "--json"]);
  expect(code, err).toBe(0);
  const { files } = JSON.parse(out);
  expect(files.map(({ name }: { name: string }) => name)).toEqual(
    expect.arrayContaining(["onnx/decoder_model_merged.onnx", "config.json"]),
  );
  for (const { name, bytes } of files) expect((await readFile(at("web", name))).length).toBe(bytes);
});

it("generate reads a language model alone", async () => {
  const { code, out } = await kdHere([
    "generate",
    at("language-model"),
    "--raw",
    "--prompt",
    "what is it",
    "--max-new-tokens",
    "3",
    "--json",
  ]);
  expect(code).toBe(0);
  expect(JSON.parse(out).prompt_ids).toEqual([2, 3, 4]);
});

it("chat answers a line at a time and remembers", async () => {
  const talk = ["chat", at("student"), at("pictures", "star.png"), "--max-new-tokens", "3", "--json"];
  const input = "what is it ?\nis it a moon ?\n/reset\nwhat is it ?\n/exit\nnever read\n";
  const { code, out } = await kd(talk, { input });
  expect(code).toBe(0);
  const turns = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(turns).toHaveLength(3);
  expect(turns[0].prompt_ids).toEqual([8, 19, 19, 19, 19, 2, 3, 4, 7, 9]);
  const remembered = [...turns[0].prompt_ids, ...turns[0].ids, 1, 8, 3, 4, 5, 10, 7, 9];
  expect(turns[1].prompt_ids).toEqual(remembered);
  expect(turns[2]).toMatchObject({ prompt_ids: turns[0].prompt_ids, ids: turns[0].ids });
  expect((await kd(talk.slice(0, -1), { input: "what is it ?\n" })).out).toBe(`${turns[0].text}\n`);
});

it("convert writes another type, keeps the text files and overwrites nothing", async () => {
  const convert = ["convert", at("student"), "--out", at("half"), "--dtype", "bf16"];
  expect(JSON.parse((await kdHere([...convert, "--json"])).out)).toMatchObject({
    out: at("half"),
    files: ["README.md", "tokenizer.json", "tokenizer_config.json"],
  });
  expect(JSON.parse((await kdHere(["inspect", at("half"), "--json"])).out)).toMatchObject({
    findings: [],
    parts: Array(3).fill({ dtypes: ["BF16"] }),
  });
  expect(await readFile(at("half", "tokenizer.json"), "utf8")).toBe(
    await readFile(at("student", "tokenizer.json"), "utf8"),
  );
  expect(await kdHere(convert)).toMatchObject({ code: 1, err: expect.stringContaining("exists") });
});

it("refuses pictures that another processor would make, and a tokenizer of another model", async () => {
  await cp(at("student"), at("clip"), { recursive: true });
  await writeFile(at("clip", "preprocessor_config.json"), JSON.stringify(siglipProcessorConfig(16)));
  const ask = (folder: string) => kdHere(["generate", folder, "--prompt", "what"]);
  expect(await ask(at("clip"))).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^error KD_CONFIG: .*preprocessor_config\.json/),
  });
  const tiles = { ...siglipProcessorConfig(8), image_grid_pinpoints: [[16, 8]] };
  await writeFile(at("clip", "preprocessor_config.json"), JSON.stringify(tiles));
  expect(await ask(at("clip"))).toMatchObject({
    code: 1,
    err: expect.stringMatching(/json: expected one image a picture.*got tiles.*add "image_aspect_ratio": "square"/),
  });
  const whole = { ...tiles, image_aspect_ratio: "square" };
  await writeFile(at("clip", "preprocessor_config.json"), JSON.stringify(whole));
  expect((await ask(at("clip"))).code).toBe(0); // the way out is one
  const config = JSON.parse(await readFile(at("clip", "config.json"), "utf8"));
  await writeFile(at("clip", "config.json"), JSON.stringify({ ...config, model_type: "llava_onevision" }));
  const missing = /config\.json: expected model_type llava, .*got llava_onevision, .*packing is missing here; take/;
  expect(await ask(at("clip"))).toMatchObject({ code: 1, err: expect.stringMatching(missing) });
  expect(JSON.parse((await kdHere(["inspect", at("clip"), "--json"])).out).findings).toContainEqual(
    expect.stringMatching(missing),
  );
  await cp(at("student"), at("other"), { recursive: true });
  const vocab = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`w${i}`, i]));
  await writeFile(
    at("other", "tokenizer.json"),
    JSON.stringify({ ...tokenizerJson, model: { ...tokenizerJson.model, vocab } }),
  );
  expect(await ask(at("other"))).toMatchObject({ code: 1, err: expect.stringContaining("ids below 20") });
  await copyFile(at("data.json"), at("text.png"));
  expect(await kdHere(["generate", at("student"), "--prompt", "what", "--image", at("text.png")])).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^error KD_DATA: .*text\.png/),
  });
});
