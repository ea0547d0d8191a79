import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WritableTensor } from "@kd/safetensors";
import { writeSafetensors } from "@kd/safetensors/node";
import { useBackend } from "@kd/tensor-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { oneEngine, valuesOf } from "../../../tensor-core/test/engines.ts";
import { tinyLlava } from "../../test/tiny-llava.ts";
import { loadLlava, saveLlava } from "./index.ts";

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
    "foreign",
    () => [...tensors, ["something.else", { dtype: "F32", shape: [1], data: Float32Array.of(1) }]],
    /"something\.else" belongs to no part/,
  ],
] as [string, () => [string, WritableTensor][], RegExp][])(
  "names the folder and a %s tensor",
  async (name, weights, text) => {
    const folder = await folderOf(name, weights());
    await expect(loadLlava(folder)).rejects.toThrow(text);
    await expect(loadLlava(folder)).rejects.toMatchObject({
      code: "KD_WEIGHTS",
      message: expect.stringContaining(folder),
    });
  },
);

it("names a config.json that is missing or is none", async () => {
  const folder = join(home, "config");
  await mkdir(folder);
  await expect(loadLlava(folder)).rejects.toThrow(/config\.json: expected a LLaVA config\.json/);
  await writeFile(join(folder, "config.json"), "{");
  await expect(loadLlava(folder)).rejects.toMatchObject({ code: "KD_CONFIG" });
  await writeFile(join(folder, "config.json"), '{"text_config":{}}');
  await expect(loadLlava(folder)).rejects.toThrow(/vision_config/);
});
