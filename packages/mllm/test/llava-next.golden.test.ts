import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSafetensors, type StoredTensor, toFloat32, toInt32 } from "@kd/safetensors";
import { linear, memory, type Tensor, tidy, useBackend, type Variable, variableGrads } from "@kd/tensor-core";
import { describe, expect, it } from "vitest";
import { engines, numberOf, oneEngine, tidyAsync, valuesOf } from "../../tensor-core/test/engines.ts";
import { generate, type LlavaBatch, parseLlavaConfig, type TiledPicture, tiledTokens } from "../src/index.ts";
import { loadLlava, saveLlava } from "../src/node/index.ts";
import { crossEntropy, goldenBatch, relativeError } from "./golden-batch.ts";

const root = join(process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data"), "tiles");
const folder = join(root, "llava_next");
/** Rows and columns that the processor chose, by the size of the golden's pictures. */
const GRIDS: Readonly<Record<string, readonly [rows: number, columns: number]>> = {
  "31 90": [1, 3],
  "83 40": [3, 1],
  "57 60": [2, 2],
};

async function golden() {
  const { tensors } = parseSafetensors(await readFile(join(root, "expected.safetensors")), "expected");
  const stored = (key: string): StoredTensor => tensors.get(key) ?? expect.fail(`no ${key}`);
  const integers = (key: string): number[] => [...toInt32(stored(key))];
  const [counts, sizes] = [integers("tile_counts"), integers("image_sizes")];
  const pictures = counts.map((_, i): TiledPicture => {
    const [height, width] = sizes.slice(2 * i) as [number, number];
    const [rows, columns] = GRIDS[`${height} ${width}`] ?? expect.fail(`no grid of ${height} × ${width}`);
    return { height, width, rows, columns };
  });
  expect(pictures.map(({ rows, columns }) => 1 + rows * columns)).toEqual(counts);
  const plain = await goldenBatch(tensors);
  const first = (i: number) => counts.slice(0, i).reduce((a, b) => a + b, 0);
  const batch: LlavaBatch = {
    ...plain,
    imageSpans: plain.imageSpans.map((span, i) => ({ ...span, image: first(i) })),
    pictures,
  };
  return { batch, pictures, stored, integers };
}

describe.each(engines)("LLaVA-NeXT on %s", (engine) => {
  it("is transformers': packed tokens, logits, loss, gradients with image_newline's, and greedy ids", async () => {
    await useBackend({ engine, blas: false });
    const model = await loadLlava(folder, { tiles: true });
    const { batch, pictures, stored, integers } = await golden();
    expect(pictures.map((picture) => tiledTokens(picture, model.config))).toEqual(
      batch.imageSpans.map(({ length }) => length),
    );
    await tidyAsync(async () => {
      const { hidden } = model.forward(batch);
      expect(await relativeError(linear(hidden, model.head), stored("logits"), batch.attentionMask)).toBeLessThan(1e-5);
    });
    const trained = [...model.groups.projector];
    expect(trained).toContain("image_newline");
    const before = memory().numTensors;
    const { value, grads } = variableGrads(
      () => crossEntropy(model, batch, new Set(trained)),
      trained.map((name) => model.params.get(name) as Variable),
    );
    expect(Math.abs((await numberOf(value)) - (toFloat32(stored("loss"))[0] as number))).toBeLessThan(2e-5);
    expect(memory().numTensors).toBe(before + 1 + trained.length);
    for (const name of trained) {
      const got = grads[(model.params.get(name) as Variable).name] as Tensor;
      expect(await relativeError(got, stored(`grad.model.${name}`)), name).toBeLessThan(5e-5);
    }
    const inputIds = Int32Array.from(integers("generate_prompt_ids"));
    const question: LlavaBatch = {
      inputIds,
      labels: new Int32Array(inputIds.length).fill(-100),
      attentionMask: new Uint8Array(inputIds.length).fill(1),
      shape: [1, inputIds.length],
      imageSpans: [{ sample: 0, start: 3, length: batch.imageSpans[0]?.length as number, image: 0 }],
      pictures: pictures.slice(0, 1),
      ...(batch.images === undefined ? {} : { images: batch.images }),
    };
    const tensors = memory().numTensors;
    expect(await generate(model, question, { maxNewTokens: 12 })).toEqual([integers("generated")]);
    expect(memory().numTensors).toBe(tensors);
  });
});

it("is saved as it was, keeps 16 bits, and says what a batch lacks", async () => {
  await useBackend({ engine: oneEngine("wasm"), blas: false });
  const model = await loadLlava(folder, { tiles: true });
  const home = await mkdtemp(join(tmpdir(), "kd-next-"));
  try {
    await saveLlava(model, join(home, "saved"));
    const again = await loadLlava(join(home, "saved"), { tiles: true });
    expect(again.config).toEqual(model.config);
    for (const [name, value] of model.params)
      expect(await valuesOf(again.params.get(name) as Tensor), name).toEqual(await valuesOf(value));
    await saveLlava(model, join(home, "half"), { dtype: "BF16" });
    const { batch } = await golden();
    const hidden = async (keep: "float32" | "bf16") => {
      const half = await loadLlava(join(home, "half"), { tiles: true, keep });
      return valuesOf(() => half.forward(batch).hidden);
    };
    expect(await hidden("bf16")).toEqual(await hidden("float32"));
    await expect(loadLlava(folder)).rejects.toThrow(/got llava_next, which sets the tiles .*take a LLaVA-1\.5/);
    const { pictures: _, ...without } = batch;
    expect(() => tidy(() => void model.forward(without))).toThrow(
      /grid of 3 pictures, as this model reads tiles, got none/,
    );
    const [one, ...others] = batch.pictures as [TiledPicture, ...TiledPicture[]];
    const turned = { ...batch, pictures: [{ ...one, rows: 3, columns: 1 }, ...others] };
    expect(() => tidy(() => void model.forward(turned))).toThrow(/has 68 image tokens .* 31 × 90 in 3 × 1 tiles takes/);
    const json = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    await writeFile(
      join(home, "saved", "config.json"),
      JSON.stringify({ ...json, vision_feature_select_strategy: "full" }),
    );
    await expect(loadLlava(join(home, "saved"), { tiles: true })).rejects.toThrow(/4 × 4 tokens a tile, got 17/);
    expect(() => parseLlavaConfig({ model_type: "llava_onevision" }, "c", { tiles: true })).toThrow(
      /packing is missing/,
    );
  } finally {
    await rm(home, { recursive: true });
  }
});
