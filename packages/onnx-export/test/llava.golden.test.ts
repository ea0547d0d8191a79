import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSafetensors, type StoredTensor, toFloat32, toInt32 } from "@kd/safetensors";
import { afterAll, describe, expect, it } from "vitest";
import { type ExportOnnx, exportOnnx } from "../src/node/index.ts";
import { type ReadModel, readOnnx, type Values } from "./read-onnx.ts";
import { runGraph } from "./run-graph.ts";
import { goldens, readJson, tinyFolder } from "./tiny-folder.ts";

const work = mkdtempSync(join(tmpdir(), "kd-onnx-"));
afterAll(() => rmSync(work, { recursive: true }));

const numbers = ({ dtype, shape, ...rest }: StoredTensor): Values => ({
  shape,
  data: Float64Array.from((dtype === "I32" ? toInt32 : toFloat32)({ dtype, shape, ...rest })),
});
const output = (outputs: ReadonlyMap<string, Values>, name: string): Values => outputs.get(name) ?? expect.fail(name);

async function exported(name: string, options: ExportOnnx = {}) {
  const { dtype = "fp32" } = options;
  const home = mkdtempSync(join(work, "model-"));
  const source = tinyFolder(name, join(home, "source"));
  const folder = join(home, "onnx");
  await exportOnnx(source, folder, options);
  const graph = (part: string) => readOnnx(join(folder, "onnx", `${part}${dtype === "fp16" ? "_fp16" : ""}.onnx`));
  const [embed, vision, decoder] = [graph("embed_tokens"), graph("vision_encoder"), graph("decoder_model_merged")];
  return { folder, config: readJson(folder, "config.json"), embed, vision, decoder };
}
type Exported = Awaited<ReturnType<typeof exported>>;

/** Embeddings with the rows of picture features at the image tokens, as transformers.js merges them. */
function embedded({ embed, config }: Exported, ids: Values, features: Values): Values {
  const embeddings = output(runGraph(embed, { input_ids: ids }), "inputs_embeds");
  const width = embeddings.shape[2] as number;
  let next = 0;
  for (const [i, id] of ids.data.entries())
    if (id === config.image_token_index) {
      embeddings.data.set(features.data.subarray(next * width, (next + 1) * width), i * width);
      next++;
    }
  expect(next * width).toBe(features.data.length);
  return embeddings;
}

/** One call of the decoder; `past` is what an earlier one gave. */
function decode(
  decoder: ReadModel,
  embeddings: Values,
  mask: Values,
  past?: ReadonlyMap<string, Values>,
  others: Record<string, Values> = {},
) {
  const [batch, fresh] = embeddings.shape as [number, number];
  const total = mask.shape[1] as number;
  const positions = Array.from({ length: batch }, (_, b) => {
    let count = 0;
    const row = mask.data.subarray(b * total, (b + 1) * total);
    return Array.from(row, (bit) => (bit === 1 ? count++ : 1)).slice(-fresh);
  }).flat();
  const caches = decoder.inputs.filter(({ name }) => name.startsWith("past_key_values"));
  const empty = ({ shape }: ReadModel["inputs"][number]): Values => ({
    shape: [batch, shape[1] as number, 0, shape[3] as number],
    data: new Float64Array(0),
  });
  const earlier = caches.map((input) => [
    input.name,
    past?.get(input.name.replace("past_key_values", "present")) ?? empty(input),
  ]);
  return runGraph(decoder, {
    inputs_embeds: embeddings,
    attention_mask: mask,
    position_ids: { shape: [batch, fresh], data: Float64Array.from(positions) },
    ...Object.fromEntries(earlier),
    ...others,
  });
}

const relativeError = (got: Values, want: Values, mask?: Values): number => {
  expect(got.shape).toEqual([...want.shape]);
  const width = mask === undefined ? 1 : want.data.length / mask.data.length;
  let [worst, largest] = [0, 0];
  for (const [i, x] of want.data.entries()) {
    if (mask?.data[Math.floor(i / width)] === 0) continue;
    worst = Math.max(worst, Math.abs((got.data[i] as number) - x));
    largest = Math.max(largest, Math.abs(x));
  }
  return worst / largest;
};

const ones = (length: number): Values => ({ shape: [1, length], data: new Float64Array(length).fill(1) });

describe.each([
  ["llava_default", "llava_default"],
  ["llava_full", "llava_full"],
  ["llava_new_names", "llava_default"],
  ["llava_clip_llama", "llava_clip_llama"],
  ["tinyllava_full", "llava_default"],
  ["tinyllava_component", "llava_default"],
])("%s by the definitions of ONNX's operations", async (folder, golden) => {
  const file = `expected/${golden}.safetensors`;
  const { tensors } = parseSafetensors(readFileSync(join(goldens, file)), file);
  const stored = (key: string): Values => numbers(tensors.get(key) ?? expect.fail(key));
  const model = await exported(folder);

  it("features and logits are PyTorch's", () => {
    const features = output(runGraph(model.vision, { pixel_values: stored("pixel_values") }), "image_features");
    const flat = { shape: stored("image_features").shape, data: features.data };
    expect(relativeError(flat, stored("image_features"))).toBeLessThan(1e-5);
    const mask = stored("attention_mask");
    const outputs = decode(model.decoder, embedded(model, stored("input_ids"), features), mask);
    expect(relativeError(output(outputs, "logits"), stored("logits"), mask)).toBeLessThan(1e-5);
  });

  it("greedy ids through the cache are PyTorch's, padded on the left or not", () => {
    const pixels = stored("pixel_values");
    const one = pixels.data.length / (pixels.shape[0] as number);
    const first = { shape: [1, ...pixels.shape.slice(1)], data: pixels.data.subarray(0, one) };
    const features = output(runGraph(model.vision, { pixel_values: first }), "image_features");
    const prompt = stored("generate_prompt_ids").data;
    const generated = [...stored("generated").data];
    for (const padding of [0, 3]) {
      const ids = Float64Array.of(...Array(padding).fill(5), ...prompt);
      const seen = [...Array(padding).fill(0), ...prompt.map(() => 1)];
      let embeddings = embedded(model, { shape: [1, ids.length], data: ids }, features);
      let past: Map<string, Values> | undefined;
      const got: number[] = [];
      while (got.length < generated.length) {
        const mask = { shape: [1, seen.length], data: Float64Array.from(seen) };
        past = decode(model.decoder, embeddings, mask, past);
        const logits = output(past, "logits");
        const last = [...logits.data.subarray(-(logits.shape[2] as number))];
        got.push(last.indexOf(Math.max(...last)));
        seen.push(1);
        const next = { shape: [1, 1], data: Float64Array.of(got.at(-1) as number) };
        embeddings = output(runGraph(model.embed, { input_ids: next }), "inputs_embeds");
      }
      expect(got).toEqual(generated);
    }
  });
});

it("fp16 rounds matrices once, and nothing else", async () => {
  const [full, half] = [await exported("llava_clip_llama"), await exported("llava_clip_llama", { dtype: "fp16" })];
  for (const part of ["embed", "vision", "decoder"] as const)
    for (const [name, { shape, data }] of full[part].initializers) {
      const rounded = half[part].initializers.get(name) ?? expect.fail(name);
      expect(rounded.shape).toEqual(shape);
      const within = shape.length > 1 ? 2 ** -11 : 0; // half of the last of 11 bits; 2^-25 among the smallest numbers
      for (const [i, x] of data.entries())
        expect(Math.abs((rounded.data[i] as number) - x)).toBeLessThanOrEqual(
          Math.max(within * Math.abs(x), within && 2 ** -25),
        );
    }
  const ids = ones(4);
  const embeddings = output(runGraph(full.embed, { input_ids: ids }), "inputs_embeds");
  const logits = ({ decoder }: Exported) => output(decode(decoder, embeddings, ids), "logits");
  expect(relativeError(logits(half), logits(full))).toBeLessThan(5e-3);
});

it("num_logits_to_keep keeps the last logits, 0 all", async () => {
  const [all, some] = [await exported("llava_full"), await exported("llava_full", { numLogitsToKeep: true })];
  const ids = { shape: [2, 3], data: Float64Array.of(4, 5, 6, 7, 8, 9) };
  const mask = { shape: [2, 3], data: new Float64Array(6).fill(1) };
  const embeddings = output(runGraph(all.embed, { input_ids: ids }), "inputs_embeds");
  const logits = output(decode(all.decoder, embeddings, mask), "logits");
  const rows = (from: number) =>
    [0, 1].flatMap((b) => [...logits.data.subarray((b * 3 + from) * 97, (b + 1) * 3 * 97)]);
  for (const [count, from] of [
    [0, 0],
    [1, 2],
    [2, 1],
  ] as const) {
    const num_logits_to_keep = { shape: [], data: Float64Array.of(count) };
    const kept = output(decode(some.decoder, embeddings, mask, undefined, { num_logits_to_keep }), "logits");
    expect(kept).toEqual({ shape: [2, 3 - from, 97], data: Float64Array.from(rows(from)) });
  }
});
