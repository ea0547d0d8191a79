import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { siglipProcessorConfig } from "@kd/data";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { expectedIn, expectedOf, goldenFolder, TILES, wordsOf } from "./golden-folders.ts";
import { kd, kdHere } from "./kd.ts";

let home: string;
const at = (...names: string[]): string => join(home, ...names);
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "kd-cli-"));
});
afterAll(() => rm(home, { recursive: true }));

async function run(...args: string[]) {
  const { code, out, err } = await kdHere([...args, "--json"]);
  expect(code, err).toBe(0);
  return JSON.parse(out);
}
/** The first row of a golden batch, without its padding. */
const firstRow = (of: (key: string) => number[]): number[] => {
  const [ids, mask] = [of("input_ids"), of("attention_mask")];
  return ids.slice(0, ids.length / 2).filter((_, t) => mask[t] === 1);
};
const LENGTH = ["--max-new-tokens", "4"];

it("Llama: the ids of transformers for a raw prompt, with BOS in front where its tokenizer adds one", async () => {
  const of = await expectedOf("llama");
  const prompt = firstRow(of);
  const folder = await goldenFolder(home, "llama");
  await rm(join(folder, "generation_config.json"));
  const ask = ["generate", folder, "--raw", "--prompt"];
  const { prompt_ids, ids } = await run(...ask, wordsOf(prompt), ...LENGTH);
  expect(prompt_ids).toEqual(prompt);
  expect(ids).toEqual(of("generated").slice(0, 4));
  await goldenFolder(home, "llama", { tokenizer_class: "LlamaTokenizerFast", bos_token: "w2" });
  expect((await run(...ask, "w5 w7", ...LENGTH)).prompt_ids).toEqual([2, 5, 7]);
});

it("a PEFT adapter brings the base that it names, or goes on one that is given, and converts to a merged model", async () => {
  const of = await expectedOf("qwen2_lora");
  const prompt = firstRow(of);
  const logits = of("merged_logits");
  const width = logits.length / of("input_ids").length;
  const last = logits.slice((prompt.length - 1) * width, prompt.length * width);
  const first = last.indexOf(Math.max(...last));
  const base = await goldenFolder(home, "qwen2_tied");
  const adapter = at("qwen2_lora");
  await cp(new URL("../../../goldens/data/models/qwen2_lora", import.meta.url), adapter, { recursive: true });
  const ask = ["--raw", "--prompt", wordsOf(prompt), ...LENGTH];
  const { ids } = await run("generate", adapter, ...ask);
  expect(ids[0]).toBe(first);
  const config = JSON.parse(await readFile(join(adapter, "adapter_config.json"), "utf8"));
  await writeFile(join(adapter, "adapter_config.json"), JSON.stringify({ ...config, base_model_name_or_path: null }));
  expect(await kdHere(["generate", adapter, ...ask])).toMatchObject({
    code: 1,
    err: expect.stringMatching(/adapter_config\.json: expected base_model_name_or_path, got null; .*--adapter/),
  });
  await run("convert", base, "--adapter", adapter, "--out", at("merged"));
  expect((await run("generate", at("merged"), ...ask)).ids).toEqual(ids);
  expect(await run("inspect", at("merged"))).toMatchObject({ layout: "language-model", findings: [] });
});

it("CLIP + Llama, and the same SigLIP + Qwen2 in Hugging Face's and both TinyLLaVA layouts, answer alike and convert", async () => {
  await sharp({ create: { width: 40, height: 30, channels: 3, background: { r: 200, g: 90, b: 20 } } })
    .png()
    .toFile(at("picture.png"));
  const layouts = { llava_clip_llama: "llava", llava_default: "llava", tinyllava_full: "tinyllava" };
  const answers = new Map<string, number[]>();
  const ask = ["--image", at("picture.png"), "--raw", "--prompt", "<image> w5 w7", ...LENGTH];
  for (const [name, layout] of Object.entries({ ...layouts, tinyllava_component: "tinyllava-parts" })) {
    const folder = await goldenFolder(home, name);
    const { vision_config } = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    const size = vision_config?.image_size ?? 28;
    const clip = { image_processor_type: "CLIPImageProcessor", crop_size: { height: size, width: size } };
    await writeFile(
      join(folder, "preprocessor_config.json"),
      JSON.stringify(
        name === "llava_clip_llama" ? { ...clip, size: { shortest_edge: size } } : siglipProcessorConfig(size),
      ),
    );
    expect(await run("inspect", folder)).toMatchObject({
      layout,
      findings: expect.not.arrayContaining([expect.stringMatching(/tensors|embedding/)]),
    });
    answers.set(name, (await run("generate", folder, ...ask)).ids);
  }
  expect(answers.get("tinyllava_full")).toEqual(answers.get("llava_default"));
  expect(answers.get("tinyllava_component")).toEqual(answers.get("llava_default"));
  for (const name of ["llava_clip_llama", "tinyllava_component"]) {
    await run("convert", at(name), "--out", at(`${name}-hf`));
    expect((await run("generate", at(`${name}-hf`), ...ask)).ids).toEqual(answers.get(name));
    if (name !== "llava_clip_llama") continue;
    const talk = await kd(["chat", at(`${name}-hf`), at("picture.png"), "--template", "llama", ...LENGTH, "--json"], {
      input: "w5\nw6\n",
    });
    expect(talk.out.trim().split("\n")).toHaveLength(2);
  }
});

it("LLaVA-NeXT: pictures in tiles, as transformers reads them; inspected, converted and talked to, but not trained on", async () => {
  const of = await expectedIn(join(TILES, "expected.safetensors"));
  const folder = await goldenFolder(home, "llava_next", {}, TILES);
  const ids = of("generate_prompt_ids");
  const text = `${wordsOf(ids.slice(0, 3))} <image> ${wordsOf(ids.slice(-4))}`;
  const ask = ["--image", join(TILES, "wide.png"), "--raw", "--prompt", text, "--max-new-tokens", "12"];
  const answer = await run("generate", folder, ...ask);
  expect(answer.prompt_ids).toEqual(ids); // as many image tokens as the picture's size gives
  expect(answer.ids).toEqual(of("generated").slice(0, answer.ids.length));
  expect(answer.ids.length).toBeGreaterThan(3);
  expect(await run("inspect", folder)).toMatchObject({
    layout: "llava",
    model_type: "llava_next",
    image: { size: 16, visual_tokens: 16, grids: expect.arrayContaining([[16, 32]]) },
    findings: expect.not.arrayContaining([expect.stringMatching(/tensors|embedding/)]),
  });
  expect((await kdHere(["inspect", folder])).out).toContain("16 visual tokens a tile, grids of 16 × 32");
  await run("convert", folder, "--out", at("next-hf"));
  expect((await run("generate", at("next-hf"), ...ask)).ids).toEqual(answer.ids);
  const talk = ["chat", at("next-hf"), join(TILES, "tall.png"), "--template", "llama", ...LENGTH, "--json"];
  const turns = (await kd(talk, { input: `w5\n/image ${join(TILES, "square.png")}\nw6\n` })).out.trim().split("\n");
  const image = JSON.parse(await readFile(join(folder, "config.json"), "utf8")).image_token_index;
  const spans = of("image_spans");
  const shown = turns.map((turn) => JSON.parse(turn).prompt_ids.filter((id: number) => id === image).length);
  expect(shown).toEqual([spans[5], (spans[5] as number) + (spans[8] as number)]);
  for (const refused of [
    ["export", folder, "--format", "onnx", "--out", at("web")],
    ["data", "inspect", at("none.json"), "--model", folder, "--template", "llama"],
  ])
    expect(await kdHere(refused)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/got llava_next, .*only answering, inspecting and converting/),
    });
});
