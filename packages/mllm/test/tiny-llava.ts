import type { TokenBatch } from "@kd/contract";
import { createRng } from "@kd/tensor-core";
import { createLlava, initLlava, type Llava, parseLlavaConfig } from "../src/index.ts";

/** Four patches an image; id 19 is the image token. */
export const tinyConfig = parseLlavaConfig({
  vision_config: {
    hidden_size: 8,
    intermediate_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    image_size: 8,
    patch_size: 4,
  },
  text_config: {
    model_type: "qwen2",
    vocab_size: 20,
    hidden_size: 8,
    intermediate_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
  },
  image_token_index: 19,
  vision_feature_select_strategy: "full",
});

export const tinyLlava = (seed = 1): Promise<Llava> =>
  createLlava({ config: tinyConfig, params: initLlava(tinyConfig, createRng(seed)) });

export const tinyPixels = (count = 1): Extract<TokenBatch["images"], { kind: "pixels" }> => ({
  kind: "pixels",
  data: Float32Array.from({ length: count * 8 * 8 * 3 }, (_, i) => Math.sin(i)),
  shape: [count, 8, 8, 3],
});

/** One image, then two words. */
export const tinyBatch = (): TokenBatch => ({
  inputIds: Int32Array.of(19, 19, 19, 19, 3, 4),
  labels: Int32Array.of(-100, -100, -100, -100, -100, 4),
  attentionMask: new Uint8Array(6).fill(1),
  shape: [1, 6],
  imageSpans: [{ sample: 0, start: 0, length: 4, image: 0 }],
  images: tinyPixels(),
});
