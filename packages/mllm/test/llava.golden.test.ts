import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TokenBatch } from "@kd/contract";
import { parseSafetensors, type StoredTensor, toFloat32, toInt32 } from "@kd/safetensors";
import { linear, memory, type Tensor, useBackend, type Variable, variableGrads } from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { engines, numberOf, oneEngine, tidyAsync, valuesOf } from "../../tensor-core/test/engines.ts";
import { generate } from "../src/index.ts";
import { loadLlava, saveLlava } from "../src/node/index.ts";
import { crossEntropy, goldenBatch, relativeError } from "./golden-batch.ts";

const root = join(process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data"), "models");
const read = (name: string): Map<string, StoredTensor> =>
  parseSafetensors(readFileSync(join(root, name)), name).tensors;

describe.each(engines)("LLaVA on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it.each([
    ["llava_default", "llava_default"],
    ["llava_full", "llava_full"],
    ["llava_new_names", "llava_default"],
    ["llava_clip_llama", "llava_clip_llama"],
    ["tinyllava_full", "llava_default"],
    ["tinyllava_component", "llava_default"],
  ])("%s: logits, loss, gradients and greedy ids", async (folder, golden) => {
    const model = await loadLlava(join(root, folder), folder.startsWith("tiny") ? { imageTokenId: 93 } : {});
    const expected = read(`expected/${golden}.safetensors`);
    const stored = (key: string): StoredTensor => expected.get(key) ?? expect.fail(`no ${key}`);
    const batch = await goldenBatch(expected);
    await tidyAsync(async () => {
      const layers = model.config.text_config.num_hidden_layers;
      const { hidden, hiddenStates, attentions } = model.forward(batch, { hiddenStates: [layers], attentions: [0] });
      expect(await valuesOf(hiddenStates?.[0] as Tensor)).toEqual(await valuesOf(hidden));
      const [size, length] = batch.shape;
      expect(attentions?.map(({ shape }) => shape)).toEqual([
        [size, model.config.text_config.num_attention_heads, length, length],
      ]);
      expect(await relativeError(hidden, stored("last_hidden_state"), batch.attentionMask)).toBeLessThan(1e-5);
      expect(await relativeError(linear(hidden, model.head), stored("logits"), batch.attentionMask)).toBeLessThan(1e-5);
    });

    const trained = [...model.groups.projector, ...model.groups.slm];
    const trainable = new Set(trained);
    const before = memory().numTensors;
    const { value, grads } = variableGrads(
      () => crossEntropy(model, batch, trainable),
      trained.map((n) => model.params.get(n) as Variable),
    );
    expect(Math.abs((await numberOf(value)) - (toFloat32(stored("loss"))[0] as number))).toBeLessThan(2e-5);
    expect(memory().numTensors).toBe(before + 1 + trained.length);
    let checked = 0;
    for (const name of trained) {
      const key = `grad.model.${name.replace("language_model.model.", "language_model.")}`;
      const want = expected.get(key);
      if (want === undefined) continue;
      expect(await relativeError(grads[(model.params.get(name) as Variable).name] as Tensor, want), name).toBeLessThan(
        5e-5,
      );
      checked++;
    }
    expect(checked).toBeGreaterThan(8);

    const prompt = Int32Array.from(toInt32(stored("generate_prompt_ids")));
    const generated = [...toInt32(stored("generated"))];
    const image = batch.images?.kind === "pixels" ? batch.images : expect.fail("pixels");
    const start = prompt.indexOf(model.config.image_token_index);
    const length = prompt.filter((id) => id === model.config.image_token_index).length;
    const [, height, width, channels] = image.shape;
    const question: TokenBatch = {
      inputIds: prompt,
      labels: new Int32Array(prompt.length).fill(-100),
      attentionMask: new Uint8Array(prompt.length).fill(1),
      shape: [1, prompt.length],
      imageSpans: [{ sample: 0, start, length, image: 0 }],
      images: {
        kind: "pixels",
        data: image.data.slice(0, height * width * channels),
        shape: [1, height, width, channels],
      },
    };
    expect(await generate(model, question, { maxNewTokens: generated.length })).toEqual([generated]);
  });
});

it("saves a folder that loads to the same weights, and refuses to overwrite it", async () => {
  await useBackend({ engine: oneEngine("wasm"), blas: false });
  const folder = mkdtempSync(join(tmpdir(), "kd-llava-"));
  try {
    const model = await loadLlava(join(root, "llava_default"));
    await saveLlava(model, join(folder, "student"), { files: { "README.md": "# card\n" } });
    const again = await loadLlava(join(folder, "student"));
    expect(again.config).toEqual(model.config);
    expect(again.tower).toBe(model.tower);
    for (const [name, value] of model.params)
      expect(await valuesOf(again.params.get(name) ?? expect.fail(name))).toEqual(await valuesOf(value));
    await expect(saveLlava(model, join(folder, "student"))).rejects.toThrow("exists");
    await expect(saveLlava(model, join(folder, "b"), { files: { "../evil": "" } })).rejects.toThrow("plain file name");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
