import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type StoredTensor, toFloat32, toInt32 } from "@kd/safetensors";
import { readSafetensors } from "@kd/safetensors/node";
import { linear, memory, type Tensor, type Tensor2D, useBackend } from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { engines, oneEngine, tidyAsync, valuesOf } from "../../tensor-core/test/engines.ts";
import { embedTokens, headName, mergeAdapter, type Slm, slmForward, withAdapter } from "../src/index.ts";
import { loadAdapter, loadSlm, saveAdapter, saveSlm } from "../src/node/index.ts";
import { read, relativeError, root } from "./stored.ts";

const prefix = "";
const expected = read("expected/qwen2_lora.safetensors");
const stored = (key: string): StoredTensor => expected.get(key) ?? expect.fail(`no ${key}`);
const mask = toInt32(stored("attention_mask"));

function logitsOf({ config, params }: Slm): Tensor {
  const shape = stored("input_ids").shape as unknown as [number, number];
  const inputIds = Int32Array.from(toInt32(stored("input_ids")));
  const embeddings = embedTokens({ config, params, inputIds, shape, prefix });
  const hidden = slmForward({ config, params, embeddings, prefix });
  return linear(hidden, params.get(headName(config, prefix)) as Tensor2D);
}

async function adaptedModel(): Promise<Slm> {
  const base = await loadSlm(join(root, "qwen2_tied"));
  return withAdapter(base, await loadAdapter(join(root, "qwen2_lora"), base));
}

describe.each(engines)("PEFT's adapter on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("gives PEFT's logits beside the weights and merged into them", async () => {
    const model = await adaptedModel();
    const before = memory().numTensors;
    const merged = mergeAdapter(model);
    const adapted = [...model.params.keys()].filter((name) => name.endsWith("lora_A.weight")).length;
    expect(memory().numTensors).toBe(before + adapted);
    expect(merged.config.lora).toBeUndefined();
    expect([...merged.params.keys()].some((name) => name.includes("lora"))).toBe(false);
    await tidyAsync(async () => {
      expect(await relativeError(logitsOf(model), stored("logits"), mask)).toBeLessThan(1e-5);
      expect(await relativeError(logitsOf(merged), stored("merged_logits"), mask)).toBeLessThan(1e-5);
    });
    for (const [name, value] of expected) {
      const path = /^merged\.(layers\.\d+)\.(.*)$/.exec(name);
      if (path === null) continue;
      const got = await valuesOf(merged.params.get(`model.${path[1]}.self_attn.${path[2]}.weight`) as Tensor);
      for (const [i, x] of toFloat32(value).entries()) expect(got[i]).toBeCloseTo(x, 6);
    }
  });
});

it("saves the adapter as it was, and a merged model that loads", async () => {
  await useBackend({ engine: oneEngine("wasm"), blas: false });
  const folder = mkdtempSync(join(tmpdir(), "kd-lora-"));
  try {
    const model = await adaptedModel();
    await saveAdapter(join(folder, "adapter"), { ...model, baseModel: "base" });
    const { tensors } = await readSafetensors(join(folder, "adapter/adapter_model.safetensors"));
    const original = read("qwen2_lora/adapter_model.safetensors");
    expect([...tensors.keys()].sort()).toEqual([...original.keys()].sort());
    for (const [name, value] of original)
      expect(toFloat32(tensors.get(name) as StoredTensor)).toEqual(toFloat32(value));
    const again = await loadAdapter(join(folder, "adapter"), model);
    expect(again.lora).toEqual(model.config.lora);
    await expect(saveAdapter(join(folder, "adapter"), model)).rejects.toThrow("this one exists");
    await expect(saveSlm(model, join(folder, "merged"))).rejects.toThrow("without an adapter");
    const merged = mergeAdapter(model);
    await saveSlm(merged, join(folder, "merged"));
    const loaded = await loadSlm(join(folder, "merged"));
    expect(loaded.config).toEqual(merged.config);
    for (const [name, value] of merged.params)
      expect(await valuesOf(loaded.params.get(name) as Tensor)).toEqual(await valuesOf(value));
    await expect(saveAdapter(join(folder, "none"), merged)).rejects.toThrow("expected a model with");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
