import { createRng, useBackend } from "@kd/tensor-core";
import { beforeAll, expect, it } from "vitest";
import { oneEngine } from "../../tensor-core/test/engines.ts";
import { tinyBatch, tinyConfig, tinyLlava } from "../test/tiny-llava.ts";
import {
  checkSameVisualTokens,
  checkVocabulary,
  computeFeatures,
  createLlava,
  featureWidth,
  initLlava,
  parseLlavaConfig,
  visualTokens,
} from "./index.ts";

beforeAll(async () => {
  await useBackend({ engine: oneEngine("wasm"), blas: false });
});

const so400m = { vision_config: { hidden_size: 1152, num_attention_heads: 16, image_size: 384, patch_size: 14 } };
const large = { vision_config: { model_type: "clip_vision_model", image_size: 336, patch_size: 14 } };
const configOf = (tower: object, strategy: string) =>
  parseLlavaConfig({ ...tinyConfig, ...tower, vision_feature_select_strategy: strategy });

it("counts an image's tokens, and explains 729 against 728", () => {
  expect(visualTokens(configOf(so400m, "full"))).toBe(729);
  expect(visualTokens(configOf(so400m, "default"))).toBe(728);
  expect(visualTokens(configOf(large, "full"))).toBe(577);
  expect(visualTokens(configOf(large, "default"))).toBe(576);
  const check = () => checkSameVisualTokens(configOf(so400m, "full"), configOf(so400m, "default"));
  expect(check).toThrow(expect.objectContaining({ code: "KD_CONFIG" }));
  expect(check).toThrow(
    /got 729 \(27 × 27 patches, all kept .*"full"\) and 728 \(27 × 27 patches, less the first, a real patch/,
  );
  expect(() => checkSameVisualTokens(configOf(large, "full"), configOf(large, "default"))).toThrow(
    /577 \(24 × 24 patches and a class token/,
  );
  checkSameVisualTokens(configOf(large, "default"), configOf(large, "default"));
});

it("a student of another selection refuses the teacher's features and spans, with the reason", async () => {
  const teacher = await tinyLlava();
  const config = { ...tinyConfig, vision_feature_select_strategy: "default" as const };
  const student = await createLlava({ config, params: teacher.params });
  expect(() => student.forward(tinyBatch())).toThrow(
    /4 image tokens for image 0, .* 3 tokens: 2 × 2 patches, less the first/,
  );
  const images = await computeFeatures(teacher, tinyBatch().images as never);
  const batch = { ...tinyBatch(), imageSpans: [{ sample: 0, start: 0, length: 3, image: 0 }] };
  expect(() => student.forward({ ...batch, images })).toThrow(/features come from tower/);
  expect(() => student.forward({ ...batch, images: { ...images, tower: student.tower } })).toThrow(
    /3 image tokens for image 0, .* 1 images of 4 tokens; expand <image> to 4/,
  );
  const narrow = { ...images, tower: student.tower, data: images.data.subarray(0, 28), shape: [1, 4, 7] as const };
  expect(() => student.forward({ ...tinyBatch(), images: narrow })).toThrow(/expected rows of 8 numbers .* got 7/);
});

it("several feature layers widen the projector's input", async () => {
  const config = parseLlavaConfig({ ...tinyConfig, vision_feature_layer: [-2, -1] });
  expect(featureWidth(config)).toBe(16);
  const params = initLlava(config, createRng(1));
  expect(params.get("multi_modal_projector.linear_1.weight")?.shape).toEqual([8, 16]);
  const model = await createLlava({ config, params });
  expect(model.forward(tinyBatch()).hidden.shape).toEqual([1, 6, 8]);
});

it("names ids without a row", () => {
  checkVocabulary(tinyConfig, 19);
  expect(() => checkVocabulary(tinyConfig, 20, "a/tokenizer.json")).toThrow(
    /^a\/tokenizer\.json: expected ids below 20, .* got 20; it belongs/,
  );
  expect(() => parseLlavaConfig({ ...tinyConfig, image_token_index: 20 })).toThrow(/image_token_index must be a row/);
});
