import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSafetensors, writeSafetensors } from "@kd/safetensors/node";
import { afterAll, describe, expect, it } from "vitest";
import { type ReadModel, readOnnx } from "../test/read-onnx.ts";
import { editJson, readJson, tinyFolder } from "../test/tiny-folder.ts";
import { exportOnnx } from "./node/index.ts";

const work = mkdtempSync(join(tmpdir(), "kd-onnx-"));
afterAll(() => rmSync(work, { recursive: true }));
const fresh = (name: string) => {
  const home = mkdtempSync(join(work, "model-"));
  return { source: tinyFolder(name, join(home, "source")), out: join(home, "out"), home };
};
const PARTS = ["embed_tokens", "vision_encoder", "decoder_model_merged"];

/** What ONNX's checker asks of a graph: names once, values before they are used, as many numbers as a shape says. */
function checkStructure({ irVersion, opset, nodes, inputs, outputs, initializers }: ReadModel): void {
  expect([irVersion, opset]).toEqual([8, 17]);
  const names = nodes.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names).not.toContain("");
  const known = new Set([...inputs.map(({ name }) => name), ...initializers.keys()]);
  expect(known.size).toBe(inputs.length + initializers.size);
  const used = new Set<string>();
  for (const node of nodes) {
    for (const input of node.inputs) {
      if (!known.has(input)) expect.fail(`${node.name} reads ${input} too early`);
      used.add(input);
    }
    for (const result of node.outputs) {
      if (known.has(result)) expect.fail(`${result} is written twice`);
      known.add(result);
    }
  }
  for (const { name } of outputs) expect(known).toContain(name);
  for (const [name, { shape, data }] of initializers) {
    expect(data.length, name).toBe(shape.reduce((product, size) => product * size, 1));
    expect(used, "an initializer that nothing reads").toContain(name);
  }
}

describe.each(["llava_full", "llava_default", "llava_clip_llama"])("%s", (name) => {
  it.each(["fp32", "fp16"] as const)(
    "%s: three sound graphs, and the files that transformers.js reads",
    async (dtype) => {
      const { source, out } = fresh(name);
      const written = await exportOnnx(source, `${out}/`, { dtype });
      const suffix = dtype === "fp16" ? "_fp16" : "";
      for (const part of PARTS) checkStructure(readOnnx(join(out, "onnx", `${part}${suffix}.onnx`)));
      expect(readdirSync(join(out, "onnx")).sort()).toEqual(PARTS.map((part) => `${part}${suffix}.onnx`).sort());
      for (const { name: file, bytes } of written) expect(statSync(join(out, file)).size).toBe(bytes);
      expect(
        written
          .map(({ name: file }) => file)
          .filter((file) => !file.startsWith("onnx/"))
          .sort(),
      ).toEqual(
        readdirSync(out)
          .filter((file) => file !== "onnx")
          .sort(),
      );

      const decoder = readOnnx(join(out, "onnx", `decoder_model_merged${suffix}.onnx`));
      const shapes = Object.fromEntries(
        [...decoder.inputs, ...decoder.outputs].map(({ name: key, type, shape }) => [key, [type, ...shape]]),
      );
      expect(shapes.inputs_embeds).toEqual([1, "batch_size", "sequence_length", 32]);
      expect(shapes.attention_mask).toEqual([7, "batch_size", "total_sequence_length"]);
      expect(shapes["past_key_values.1.value"]).toEqual([1, "batch_size", 2, "past_sequence_length", 8]);
      expect(shapes["present.1.key"]).toEqual([1, "batch_size", 2, "total_sequence_length", 8]);
      expect(shapes.logits).toEqual([1, "batch_size", "sequence_length", 97]);

      const config = readJson(out, "config.json") as Record<string, Record<string, unknown>>;
      expect(config).toMatchObject({ model_type: "llava", image_token_index: 93, "transformers.js_config": { dtype } });
      expect(config.text_config).toMatchObject({ num_hidden_layers: 2, num_key_value_heads: 2, head_dim: 8 });
      const tokens = { llava_full: 0, llava_default: -1, llava_clip_llama: 0 }[name]; // beyond one a patch
      expect(readJson(out, "processor_config.json")).toEqual({
        processor_class: "LlavaProcessor",
        image_token: "<image>",
        patch_size: 4,
        num_additional_image_tokens: tokens,
        vision_feature_select_strategy: "full",
      });
      const processor = readJson(out, "preprocessor_config.json");
      expect(processor).toMatchObject({ processor_class: "LlavaProcessor", do_resize: true, do_normalize: true });
      expect(processor.image_processor_type).toBe(
        name === "llava_clip_llama" ? "CLIPImageProcessor" : "SiglipImageProcessor",
      );
      expect(readJson(out, "generation_config.json").eos_token_id).toBe(1);
    },
  );
});

it("weights go to files beside a model that is too large for one, at pages, and read as the same", async () => {
  const { source, out, home } = fresh("llava_default");
  const largestFile = 40_000;
  const written = await exportOnnx(source, out, { largestFile });
  const single = join(home, "single");
  await exportOnnx(source, single);
  const data = written.filter(({ name }) => name.includes("_data"));
  expect(data.map(({ name }) => name)).toContain("onnx/decoder_model_merged.onnx_data_1");
  for (const { bytes } of written.filter(({ name }) => name.startsWith("onnx/")))
    expect(bytes).toBeLessThanOrEqual(largestFile);
  const counts = { "vision_encoder.onnx": 0, "decoder_model_merged.onnx": 0 };
  for (const { name } of data) counts[name.replace(/^onnx\/|_data.*$/g, "") as keyof typeof counts]++;
  expect(readJson(out, "config.json")["transformers.js_config"]).toEqual({
    dtype: "fp32",
    use_external_data_format: counts,
  });
  for (const part of PARTS) {
    const [apart, whole] = [out, single].map((folder) => readOnnx(join(folder, "onnx", `${part}.onnx`))) as [
      ReadModel,
      ReadModel,
    ];
    expect(apart.initializers).toEqual(whole.initializers);
    expect(apart.nodes).toEqual(whole.nodes);
  }
});

it("the processor's older names and nulls are its defaults, written down", async () => {
  const { source, out } = fresh("llava_clip_llama");
  const crop = { size: 16, crop_size: 16, do_center_crop: null, image_mean: null, do_pad: false };
  editJson(source, "preprocessor_config.json", () => ({ image_processor_type: "LlavaImageProcessorFast", ...crop }));
  await exportOnnx(source, out);
  expect(readJson(out, "preprocessor_config.json")).toMatchObject({
    image_processor_type: "CLIPImageProcessor",
    size: { shortest_edge: 16 },
    crop_size: { height: 16, width: 16 },
    do_center_crop: true,
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    resample: 3,
  });
});

it("a chat template in a file of its own goes where transformers.js looks", async () => {
  const { source, out } = fresh("llava_full");
  const { writeFileSync } = await import("node:fs");
  writeFileSync(join(source, "chat_template.jinja"), "{{ messages }}");
  rmSync(join(source, "generation_config.json"));
  await exportOnnx(source, out);
  expect(readJson(out, "tokenizer_config.json").chat_template).toBe("{{ messages }}");
  expect(readJson(out, "generation_config.json")).toEqual({ bos_token_id: 1, eos_token_id: 1 });
});

type Change = (source: string) => unknown;
const without =
  (file: string): Change =>
  (source) =>
    rmSync(join(source, file));
const edit =
  (file: string, changes: object): Change =>
  (source) =>
    editJson(source, file, (json) => ({ ...json, ...changes }));
const text =
  (changes: object): Change =>
  (source) =>
    editJson(source, "config.json", (json) => ({
      ...json,
      text_config: { ...(json.text_config as object), ...changes },
    }));
const weights =
  (change: (tensors: Map<string, { dtype: "F32"; shape: number[]; data: Float32Array }>) => unknown): Change =>
  async (source) => {
    const file = join(source, "model.safetensors");
    const tensors = new Map(
      [...(await readSafetensors(file)).tensors].map(([name, { shape, data }]) => [
        name,
        { dtype: "F32" as const, shape: [...shape], data: new Float32Array(data.slice().buffer) },
      ]),
    );
    change(tensors);
    await writeSafetensors(file, tensors);
  };
const norm = "language_model.model.norm.weight";

describe("what cannot be exported is named, and nothing is written", () => {
  it.each<[string, Change, string, RegExp]>([
    [
      "no tokenizer",
      without("tokenizer.json"),
      "KD_CONFIG",
      /tokenizer\.json: expected the fast tokenizer; put .* here/,
    ],
    [
      "no processor",
      without("preprocessor_config.json"),
      "KD_CONFIG",
      /preprocessor_config\.json: .*put the one of the vision tower/,
    ],
    ["no template", without("tokenizer_config.json"), "KD_CONFIG", /tokenizer_config\.json: expected/],
    ["no configuration", without("config.json"), "KD_CONFIG", /config\.json: expected/],
    ["no weights", without("model.safetensors"), "KD_SAFETENSORS", /model\.safetensors/],
    [
      "an image token without a row",
      edit("config.json", { image_token_index: 97 }),
      "KD_CONFIG",
      /image_token_index must be a row of the embedding/,
    ],
    ["the placeholder of LLaVA", edit("config.json", { image_token_index: -200 }), "KD_CONFIG", /image_token_index/],
    [
      "an image token that is a word",
      edit("tokenizer.json", { added_tokens: [] }),
      "KD_DATA",
      /added token with id 93/,
    ],
    [
      "another model's tokenizer",
      edit("tokenizer.json", { model: { vocab: { a: 97 } } }),
      "KD_DATA",
      /below vocab_size 97, got 97/,
    ],
    ["no tokenizer but JSON", edit("tokenizer.json", { model: 3 }), "KD_DATA", /tokenizer\.json/],
    [
      "another tower's processor",
      edit("preprocessor_config.json", { size: { height: 24, width: 24 } }),
      "KD_CONFIG",
      /16 × 16.*24/,
    ],
    [
      "another processor",
      edit("preprocessor_config.json", { image_processor_type: "ViTImageProcessor" }),
      "KD_CONFIG",
      /image_processor_type/,
    ],
    ["padded pictures", edit("preprocessor_config.json", { do_pad: true }), "KD_CONFIG", /do_pad/],
    ["another decoder", text({ model_type: "phi" }), "KD_CONFIG", /text_config\.model_type/],
    [
      "another scaling",
      text({ rope_scaling: { rope_type: "yarn", factor: 2 } }),
      "KD_CONFIG",
      /linear or llama3, got "yarn"/,
    ],
    [
      "windows",
      text({ use_sliding_window: true, sliding_window: 8, layer_types: ["sliding_attention", "full_attention"] }),
      "KD_CONFIG",
      /window/,
    ],
    ["a layer too far", edit("config.json", { vision_feature_layer: -5 }), "KD_CONFIG", /from -4 to 3, got -5/],
    [
      "a missing tensor",
      weights((tensors) => tensors.delete(norm)),
      "KD_WEIGHTS",
      /"language_model\.model\.norm\.weight" is missing/,
    ],
    [
      "a strange tensor",
      weights((tensors) => tensors.set("x", { dtype: "F32", shape: [1], data: new Float32Array(1) })),
      "KD_WEIGHTS",
      /"x" belongs to no part/,
    ],
    [
      "another shape",
      weights((tensors) => tensors.set(norm, { dtype: "F32", shape: [1], data: new Float32Array(1) })),
      "KD_WEIGHTS",
      /must be \[32\], got \[1\]/,
    ],
  ])("%s", async (_, change, code, message) => {
    const { source, out, home } = fresh("llava_full");
    await change(source);
    await expect(exportOnnx(source, out)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(readdirSync(home)).toEqual(["source"]);
  });

  it("numbers that float16 cannot hold", async () => {
    const { source, out, home } = fresh("llava_full");
    const name = "language_model.model.layers.0.mlp.up_proj.weight";
    await weights((tensors) => tensors.get(name)?.data.fill(7e4, 0, 1))(source);
    await expect(exportOnnx(source, out, { dtype: "fp16" })).rejects.toMatchObject({
      code: "KD_WEIGHTS",
      message: expect.stringContaining(name),
    });
    expect(readdirSync(home)).toEqual(["source"]);
    await exportOnnx(source, out);
    expect(existsSync(join(out, "config.json"))).toBe(true);
  });

  it("a folder that exists, which stays as it was", async () => {
    const { source, out } = fresh("llava_full");
    await exportOnnx(source, out);
    const before = readFileSync(join(out, "config.json"), "utf8");
    await expect(exportOnnx(source, out, { dtype: "fp16" })).rejects.toThrow("exists");
    expect(readFileSync(join(out, "config.json"), "utf8")).toBe(before);
    await expect(exportOnnx(source, `${out}2`, { dtype: "int8" as "fp16" })).rejects.toThrow("fp32, fp16");
    await expect(exportOnnx(source, `${out}2`, { largestFile: 2 ** 31 })).rejects.toThrow("2147483647, got 2147483648");
  });
});

it("several layers' features are laid side by side", async () => {
  const { source, out } = fresh("llava_full");
  edit("config.json", { vision_feature_layer: [-2, 1] })(source);
  await weights((tensors) => {
    const name = "multi_modal_projector.linear_1.weight";
    const { data } = tensors.get(name) ?? expect.fail(name);
    tensors.set(name, { dtype: "F32", shape: [32, 64], data: Float32Array.of(...data, ...data) });
  })(source);
  await exportOnnx(source, out);
  checkStructure(readOnnx(join(out, "onnx/vision_encoder.onnx")));
});
