import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Tensor, useBackend } from "@kd/tensor-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { oneEngine, valuesOf } from "../../../tensor-core/test/engines.ts";
import { checkTokenizer, loadLlava, openLlava, saveLlava } from "./index.ts";

const models = join(process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../../goldens/data"), "models");
let home: string;
beforeAll(async () => {
  await useBackend({ engine: oneEngine("wasm"), blas: false });
  home = await mkdtemp(join(tmpdir(), "kd-layout-"));
});
afterAll(() => rm(home, { recursive: true }));

async function copyOf(model: string, name: string, files: Record<string, unknown> = {}): Promise<string> {
  const folder = join(home, name);
  await cp(join(models, model), folder, { recursive: true });
  for (const [file, value] of Object.entries(files)) await writeFile(join(folder, file), JSON.stringify(value));
  return folder;
}

it("takes TinyLLaVA's image token from the tokenizer, from the caller, or asks for one", async () => {
  const without = await copyOf("tinyllava_component", "finetune-by-name-only");
  await expect(loadLlava(without)).rejects.toThrow(/image_token_index is -200, .* give imageTokenId/s);
  expect((await loadLlava(without, { imageTokenId: 40 })).config.image_token_index).toBe(40);
  const fast = { model: { vocab: { a: 0, b: 90 } }, added_tokens: [{ id: 91, content: "<eos>" }] };
  const free = await copyOf("tinyllava_full", "free", { "tokenizer.json": fast });
  expect((await loadLlava(free)).config.image_token_index).toBe(92);
  const slow = { "vocab.json": { a: 0, b: 80 }, "added_tokens.json": { "<image>": 85, "<eos>": 90 } };
  expect((await loadLlava(await copyOf("tinyllava_full", "slow", slow))).config.image_token_index).toBe(85);
  await checkTokenizer(free, (await loadLlava(free)).config);
  const foreign = { ...fast, added_tokens: [{ id: 97, content: "<eos>" }] };
  const other = await copyOf("tinyllava_full", "foreign", { "tokenizer.json": foreign });
  const { config } = await loadLlava(free);
  await expect(checkTokenizer(other, config)).rejects.toThrow(/tokenizer\.json: expected ids below 97, .* got 97/);
});

it("TinyLLaVA's layouts hold the same model, and save as Hugging Face's", async () => {
  const [full, parts, reference] = await Promise.all([
    loadLlava(join(models, "tinyllava_full"), { imageTokenId: 93 }),
    loadLlava(join(models, "tinyllava_component"), { imageTokenId: 93 }),
    loadLlava(join(models, "llava_default")),
  ]);
  const layoutOf = async (name: string) => (await openLlava(join(models, name), { imageTokenId: 93 })).layout;
  expect(await layoutOf("tinyllava_full")).toBe("tinyllava");
  expect(await layoutOf("tinyllava_component")).toBe("tinyllava-parts");
  expect(await layoutOf("llava_new_names")).toBe("llava");
  await saveLlava(parts, join(home, "saved"), { maxShardSize: 50_000 });
  const saved = await loadLlava(join(home, "saved"));
  for (const model of [full, parts, saved]) {
    expect(model.config).toEqual(reference.config);
    expect(model.tower).toBe(reference.tower);
    expect([...model.params.keys()].sort()).toEqual([...reference.params.keys()].sort());
    for (const [name, value] of reference.params)
      expect(await valuesOf(model.params.get(name) as Tensor)).toEqual(await valuesOf(value));
  }
  expect(await readFile(join(home, "saved/README.md"), "utf8")).toMatch(
    /^---\nlibrary_name: "transformers"\n(.|\n)*# saved/,
  );
  expect(JSON.parse(await readFile(join(home, "saved/config.json"), "utf8"))).toMatchObject({
    model_type: "llava",
    image_seq_length: 15,
    torch_dtype: "float32",
    vision_config: { model_type: "siglip_vision_model", vision_use_head: false },
  });
});

it("names what it does not read", async () => {
  const raw = JSON.parse(await readFile(join(models, "tinyllava_full/config.json"), "utf8"));
  const resampler = await copyOf("tinyllava_full", "resampler", {
    "config.json": { ...raw, connector_type: "resampler" },
  });
  await expect(loadLlava(resampler, { imageTokenId: 93 })).rejects.toThrow(
    /connector_type must be mlp2x_gelu, got "resampler"/,
  );
  const lora = await copyOf("tinyllava_component", "lora", { "adapter_config.json": {} });
  await expect(loadLlava(lora, { imageTokenId: 93 })).rejects.toThrow(/PEFT adapter beside it; merge/);
  const partial = await copyOf("tinyllava_component", "partial");
  await rm(join(partial, "vision_tower/pytorch_model.bin"));
  await expect(loadLlava(partial, { imageTokenId: 93 })).rejects.toThrow(/vision_tower: expected model\.safetensors, /);
  await mkdir(join(home, "empty"));
  await expect(loadLlava(join(home, "empty"))).rejects.toMatchObject({ code: "KD_CONFIG" });
});

it("decides by the weights whether the head is the embedding where no config says it", async () => {
  const raw = JSON.parse(await readFile(join(models, "llava_default/config.json"), "utf8"));
  const { tie_word_embeddings: _, ...text } = raw.text_config;
  const silent = await copyOf("llava_default", "silent", { "config.json": { ...raw, text_config: text } });
  expect((await loadLlava(silent)).config.text_config.tie_word_embeddings).toBe(true);
  const says = { ...raw, text_config: { ...text, tie_word_embeddings: false } };
  await expect(loadLlava(await copyOf("llava_default", "says", { "config.json": says }))).rejects.toThrow(
    /"language_model\.lm_head\.weight" is missing/,
  );
});
