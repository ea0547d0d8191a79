import { useBackend } from "@kd/tensor-core";
import { beforeAll, expect, it } from "vitest";
import { oneEngine, valuesOf } from "../../tensor-core/test/engines.ts";
import { tinyBatch, tinyConfig, tinyLlava, tinyPixels } from "../test/tiny-llava.ts";
import { computeFeatures, createFeatureCache, parseLlavaConfig } from "./index.ts";

beforeAll(async () => {
  await useBackend({ engine: oneEngine("wasm"), blas: false });
});

it("gives the forward pass the same features as the pixels, whatever the chunks", async () => {
  const model = await tinyLlava();
  const whole = await computeFeatures(model, tinyPixels(3));
  const chunked = await computeFeatures(model, tinyPixels(3), { chunk: 2 });
  // last bits may differ: products of few rows add up in another order
  for (const [i, x] of whole.data.entries()) expect(chunked.data[i]).toBeCloseTo(x, 5);
  const cache = createFeatureCache(model.tower);
  cache.add(["a", "b", "c"], whole);
  expect(cache.batch(["c", "a"]).data).toEqual(
    Float32Array.of(...whole.data.slice(2 * 4 * 8), ...whole.data.slice(0, 4 * 8)),
  );
  expect(() => cache.batch(["d"])).toThrow(/no image "d"/);
  const batch = tinyBatch();
  const cached = await valuesOf(() => model.forward({ ...batch, images: cache.batch(["a"]) }).hidden);
  for (const [i, x] of (await valuesOf(() => model.forward(batch).hidden)).entries())
    expect(cached[i]).toBeCloseTo(x, 5);
});

it("refuses features of another tower", async () => {
  const [model, other] = [await tinyLlava(1), await tinyLlava(2)];
  const features = await computeFeatures(other, tinyPixels());
  expect(() => createFeatureCache(model.tower).add(["a"], features)).toThrow(/holds features of tower/);
  expect(() => model.forward({ ...tinyBatch(), images: features })).toThrow(/the features come from tower/);
});

it("names spans that do not fit their image, and images that are missing", async () => {
  const model = await tinyLlava();
  const batch = tinyBatch();
  const span = { sample: 0, start: 0, length: 3, image: 0 };
  expect(() => model.forward({ ...batch, imageSpans: [span] })).toThrow(/sample 0 has 3 image tokens for image 0/);
  expect(() => model.forward({ ...batch, imageSpans: [{ ...span, length: 4, image: 1 }] })).toThrow(/for image 1/);
  const { images: _, ...without } = batch;
  expect(() => model.forward(without)).toThrow(/1 image spans but no images/);
});

it("names the field of a wrong configuration", () => {
  const wrong = { ...tinyConfig, vision_config: { ...tinyConfig.vision_config, hidden_size: 7 } };
  expect(() => parseLlavaConfig(wrong, "a/config.json")).toThrow(/^a\/config\.json: .*num_attention_heads/s);
});
