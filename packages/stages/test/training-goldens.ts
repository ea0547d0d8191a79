import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TokenBatch } from "@kd/contract";
import { parseSafetensors, type StoredTensor, toFloat32, toInt32 } from "@kd/safetensors";
import { expect } from "vitest";
import type { Llava } from "../../mllm/src/index.ts";
import { loadLlava } from "../../mllm/src/node/index.ts";

export const root: string = join(
  process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data"),
  "training",
);
export const read = (name: string): Map<string, StoredTensor> =>
  parseSafetensors(readFileSync(join(root, name)), name).tensors;
const stored = read("batches.safetensors");

/** A batch of the goldens by its name. */
export function batch(name: string): TokenBatch {
  const get = (key: string): StoredTensor => stored.get(`${name}.${key}`) ?? expect.fail(`no ${name}.${key}`);
  const common = {
    inputIds: Int32Array.from(toInt32(get("input_ids"))),
    labels: Int32Array.from(toInt32(get("labels"))),
    attentionMask: Uint8Array.from(toInt32(get("attention_mask"))),
    shape: get("input_ids").shape as unknown as [number, number],
  };
  if (!stored.has(`${name}.pixel_values`)) return { ...common, imageSpans: [] };
  const [count, channels, height, width] = get("pixel_values").shape as [number, number, number, number];
  const [from, spans] = [toFloat32(get("pixel_values")), toInt32(get("image_spans"))];
  const data = new Float32Array(from.length); // channels last
  for (let i = 0; i < count; i++)
    for (let c = 0; c < channels; c++)
      for (let p = 0; p < height * width; p++)
        data[(i * height * width + p) * channels + c] = from[(i * channels + c) * height * width + p] as number;
  const imageSpans = Array.from({ length: spans.length / 3 }, (_, image) => {
    const [sample, start, length] = spans.subarray(3 * image, 3 * image + 3) as unknown as [number, number, number];
    return { sample, start, length, image };
  });
  return { ...common, imageSpans, images: { kind: "pixels", data, shape: [count, height, width, channels] } };
}

/** A model of the goldens by its name. */
export const load = (name: string): Promise<Llava> => loadLlava(join(root, name));
