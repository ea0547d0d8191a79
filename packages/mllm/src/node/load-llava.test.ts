import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WritableTensor } from "@kd/safetensors";
import { writeSafetensors } from "@kd/safetensors/node";
import { loadParams } from "@kd/slm/node";
import { createRng, halfOf, memory, memoryReport, type Tensor, tensor1d, useBackend } from "@kd/tensor-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { oneEngine, valuesOf } from "../../../tensor-core/test/engines.ts";
import { tinyBatch, tinyConfig, tinyLlava } from "../../test/tiny-llava.ts";
import { createLlava, generate, initLlava, type Llava, llavaShapes, towerHash } from "../index.ts";
import { loadLlava, openLlava, saveLlava } from "./index.ts";

let home: string;
let tensors: [string, WritableTensor][];
beforeAll(async () => {
  await useBackend({ engine: oneEngine("wasm"), blas: false });
  home = await mkdtemp(join(tmpdir(), "kd-mllm-"));
  const model = await tinyLlava();
  await saveLlava(model, join(home, "good"));
  tensors = [];
  for (const [name, t] of model.params) tensors.push([name, { dtype: "F32", shape: t.shape, data: await valuesOf(t) }]);
});
afterAll(() => rm(home, { recursive: true }));

/** A copy of the good folder with other weights. */
async function folderOf(name: string, weights: [string, WritableTensor][]): Promise<string> {
  const folder = join(home, name);
  await saveLlava(await tinyLlava(), folder);
  await writeSafetensors(join(folder, "model.safetensors"), weights);
  return folder;
}

it.each([
  ["missing", () => tensors.filter(([name]) => !name.endsWith("linear_2.bias")), /linear_2\.bias" is missing/],
  [
    "misshapen",
    () => tensors.map(([name, t]) => [name, name.endsWith("norm.weight") ? { ...t, shape: [2, 4] } : t]),
    /norm\.weight" must be \[8\], got \[2, 4\]/,
  ],
  [
    "quantised",
    () =>
      tensors.map(([name, t]) => [
        name,
        name.endsWith("fc1.bias") ? { ...t, dtype: "I8", data: new Uint8Array(16) } : t,
      ]),
    /fc1\.bias" must be one of F32, F16, BF16, F64, got I8: whole numbers are quantised/,
  ],
  [
    "repeated",
    () => [
      ...tensors,
      ["model.multi_modal_projector.linear_1.bias", tensors.find(([n]) => n.endsWith("linear_1.bias"))?.[1]],
    ],
    /expected "multi_modal_projector\.linear_1\.bias" once, got/,
  ],
  [
    "foreign",
    () => [...tensors, ["something.else", { dtype: "F32", shape: [1], data: Float32Array.of(1) }]],
    /"something\.else" belongs to no part/,
  ],
] as [string, () => [string, WritableTensor][], RegExp][])(
  "names the folder and a %s tensor",
  async (name, weights, text) => {
    const folder = await folderOf(name, weights());
    const before = memory().numTensors;
    await expect(loadLlava(folder)).rejects.toThrow(text);
    await expect(loadLlava(folder)).rejects.toMatchObject({
      code: "KD_WEIGHTS",
      message: expect.stringContaining(folder),
    });
    expect(memory().numTensors).toBe(before);
  },
);

it.each([
  ["bf16", "BF16"],
  ["fp16", "F16"],
] as const)("keeps weights in %s and computes as with the rounded ones in float32", async (keep, dtype) => {
  const folder = join(home, keep);
  await saveLlava(await loadLlava(join(home, "good")), folder, { dtype });
  const rounded = await loadLlava(folder);
  const before = memoryReport().heap?.inUse;
  const [kept, again] = [await loadLlava(join(home, "good"), { keep }), await loadLlava(folder, { keep })];
  expect(memoryReport().heap?.inUse).toBe(before);
  expect(kept.tower).toBe(rounded.tower);
  const tensors = memory().numTensors;
  for (const model of [kept, again]) {
    for (const [name, value] of model.params)
      expect(await valuesOf(value)).toEqual(await valuesOf(rounded.params.get(name) as Tensor));
    const hidden = (model: Llava) => valuesOf(() => model.forward(tinyBatch()).hidden);
    expect(await hidden(model)).toEqual(await hidden(rounded));
    expect(await generate(model, tinyBatch(), { maxNewTokens: 3 })).toEqual(
      await generate(rounded, tinyBatch(), { maxNewTokens: 3 }),
    );
    for (const value of model.params.values()) expect(halfOf(value)?.format).toBe(keep);
  }
  expect(memory().numTensors).toBe(tensors);
  expect(memoryReport().heap?.inUse).toBe(before);
  await saveLlava(kept, `${folder}-again`, { dtype });
  expect(await readFile(join(`${folder}-again`, "model.safetensors"))).toEqual(
    await readFile(join(folder, "model.safetensors")),
  );
});

it.each(["F32", "BF16", "F16"] as const)("a tower stored in %s has one hash, however it came to be", async (dtype) => {
  const folder = join(home, `tower-${dtype}`);
  await saveLlava(await tinyLlava(), folder, { dtype });
  const model = await loadLlava(folder, { processor: "p" });
  expect(model.tower).toBe(await towerHash(model.config, model.params, "p"));
  const kept = dtype === "F16" ? "fp16" : "bf16";
  const half = await loadLlava(folder, { processor: "p", keep: kept });
  expect(half.tower).toBe(await towerHash(half.config, half.params, "p"));
  if (dtype !== "F32") expect(half.tower).toBe(model.tower);
  expect(await towerHash(model.config, model.params, "q")).not.toBe(model.tower);
  const bias = "vision_tower.vision_model.encoder.layers.1.mlp.fc2.bias";
  const params = new Map(model.params).set(bias, tensor1d([0, 0, 0, 0, 0, 0, 0, -0]));
  expect(await towerHash(model.config, params, "p")).not.toBe(model.tower);
});

it("says what keep can be, and that weights in 16 bits are not trained", async () => {
  await expect(loadLlava(join(home, "good"), { keep: "int8" as "bf16" })).rejects.toThrow(
    expect.objectContaining({ code: "KD_CONFIG", message: expect.stringContaining("float32, bf16, fp16") }),
  );
  const model = await loadLlava(join(home, "good"), { keep: "bf16" });
  const trainable = new Set(["language_model.model.norm.weight"]);
  expect(() => model.forward(tinyBatch(), { trainable })).toThrow(
    expect.objectContaining({ code: "KD_WEIGHTS", message: expect.stringContaining("got bf16") }),
  );
});

it("names a config.json that is missing or is none", async () => {
  const folder = join(home, "config");
  await mkdir(folder);
  await expect(loadLlava(folder)).rejects.toThrow(/config\.json: expected a LLaVA config\.json/);
  await writeFile(join(folder, "config.json"), "{");
  await expect(loadLlava(folder)).rejects.toMatchObject({ code: "KD_CONFIG" });
  await writeFile(join(folder, "config.json"), '{"text_config":{}}');
  await expect(loadLlava(folder)).rejects.toThrow(/vision_config/);
});

it("frees what it has read when a file breaks off, and saves nothing that F16 cannot hold", async () => {
  const folder = await folderOf("shrunk", tensors);
  const { parts, config } = await openLlava(folder);
  const whole = await readFile(join(folder, "model.safetensors"));
  await writeFile(join(folder, "model.safetensors"), whole.subarray(0, whole.length - 9));
  const before = memory().numTensors;
  await expect(loadParams(parts, { shapes: llavaShapes(config) })).rejects.toThrow(/it is truncated/);
  expect(memory().numTensors).toBe(before);
  const params = initLlava(tinyConfig, createRng(1), {
    from: new Map([["language_model.model.norm.weight", tensor1d([1, 2, 3, 4, 5, 6, 7, 70000])]]),
  });
  const model = await createLlava({ config: tinyConfig, params });
  await expect(saveLlava(model, join(home, "large"), { dtype: "F16" })).rejects.toThrow(
    /norm\.weight" holds 70000, beyond/,
  );
  expect((await readdir(home)).filter((name) => name.startsWith("large"))).toEqual([]);
});
