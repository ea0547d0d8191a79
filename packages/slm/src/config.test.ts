import { describe, expect, it } from "vitest";
import { parseSlmConfig, slmConfigJson, slmShapes } from "./index.ts";

const sizes = { vocab_size: 20, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 2, num_attention_heads: 2 };

describe("what a file leaves out", () => {
  it("is Llama's where it names no model", () => {
    expect(parseSlmConfig({})).toEqual({
      model_type: "llama",
      vocab_size: 32000,
      hidden_size: 4096,
      intermediate_size: 11008,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 32,
      head_dim: 128,
      max_position_embeddings: 2048,
      rms_norm_eps: 1e-6,
      rope_theta: 10000,
      rope_scaling: null,
      attention_bias: false,
      mlp_bias: false,
      tie_word_embeddings: false,
    });
  });

  it("is Qwen2's in a Qwen2", () => {
    expect(parseSlmConfig({ model_type: "qwen2" })).toMatchObject({
      vocab_size: 151936,
      intermediate_size: 22016,
      num_key_value_heads: 32,
      max_position_embeddings: 32768,
      attention_bias: true,
    });
  });
});

const refused: [object, RegExp][] = [
  [{ num_attention_heads: 3 }, /num_attention_heads must divide hidden_size/],
  [{ num_key_value_heads: 3 }, /num_key_value_heads must divide/],
  [{ head_dim: 3 }, /a head's width must be even, got 3/],
  [{ hidden_act: "relu" }, /hidden_act/],
  [{ vocab_size: -1 }, /vocab_size/],
  [{ model_type: "mistral" }, /model_type/],
  [
    { rope_scaling: { rope_type: "yarn", factor: 4 } },
    /expected type default, linear or llama3, got "yarn"[\s\S]*rope_scaling/,
  ],
  [{ rope_scaling: { type: "linear" } }, /factor/],
  [{ rope_scaling: "linear" }, /rope_scaling/],
  [{ rope_parameters: { rope_type: "dynamic", factor: 2 } }, /got "dynamic"[\s\S]*rope_parameters/],
  [{ rope_parameters: { rope_theta: -1 } }, /rope_theta/],
  [
    {
      rope_scaling: {
        rope_type: "llama3",
        factor: 8,
        low_freq_factor: 4,
        high_freq_factor: 1,
        original_max_position_embeddings: 8,
      },
    },
    /must be above low_freq_factor/,
  ],
  [{ partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
  [
    { model_type: "qwen2", use_sliding_window: true, sliding_window: 4096, max_window_layers: 1 },
    /a window of 4096 positions/,
  ],
  [
    { model_type: "qwen2", use_sliding_window: true, layer_types: ["full_attention", "sliding_attention"] },
    /sliding_window/,
  ],
];

it.each(refused)("names the field of a wrong configuration: %j", (fields, message) => {
  expect(() => parseSlmConfig({ ...sizes, ...fields }, "a/config.json")).toThrow(/^a\/config\.json: /);
  expect(() => parseSlmConfig({ ...sizes, ...fields })).toThrow(message);
});

it.each([
  { use_sliding_window: false, sliding_window: 4096, max_window_layers: 1 }, // Qwen2.5's
  { use_sliding_window: true, sliding_window: 32768, max_window_layers: 1 },
  { use_sliding_window: true, sliding_window: 4096, max_window_layers: 2 },
  { use_sliding_window: true, sliding_window: null },
])("takes a window that hides nothing: %j", (fields) => {
  expect(parseSlmConfig({ ...sizes, model_type: "qwen2", ...fields }).num_hidden_layers).toBe(2);
});

it("has the parameters of SmolLM2, of Llamas with biases and wide heads, and of Qwen2", () => {
  const smol = slmShapes(parseSlmConfig({ ...sizes, model_type: "llama", tie_word_embeddings: true }), "");
  expect([...smol.keys()].filter((name) => name.endsWith("bias") || name === "lm_head.weight")).toEqual([]);
  const wide = parseSlmConfig({ ...sizes, num_key_value_heads: 1, head_dim: 6, attention_bias: true, mlp_bias: true });
  const shapes = slmShapes(wide, "");
  expect(shapes.get("model.layers.0.self_attn.q_proj.weight")).toEqual([12, 8]);
  expect(shapes.get("model.layers.0.self_attn.k_proj.bias")).toEqual([6]);
  expect(shapes.get("model.layers.1.self_attn.o_proj.weight")).toEqual([8, 12]);
  expect([...shapes.keys()].filter((name) => name.endsWith("bias"))).toHaveLength(14);
  const qwen = slmShapes(parseSlmConfig({ ...sizes, model_type: "qwen2" }), "");
  expect([...qwen.keys()].filter((name) => name.endsWith("bias"))).toHaveLength(6);
});

it("writes what it reads, under the name of the architecture", () => {
  for (const model_type of ["qwen2", "llama"]) {
    const config = parseSlmConfig({ ...sizes, model_type });
    const json = slmConfigJson(config);
    expect(parseSlmConfig(json)).toEqual(config);
    expect(json.architectures).toEqual([model_type === "llama" ? "LlamaForCausalLM" : "Qwen2ForCausalLM"]);
    expect("attention_bias" in json).toBe(model_type === "llama");
  }
});

const llama31 = {
  rope_type: "llama3",
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};

// Fields of the published files; the counts are those that Hugging Face shows.
it.each<[string, object, number]>([
  [
    "SmolLM2-135M",
    {
      model_type: "llama",
      vocab_size: 49152,
      hidden_size: 576,
      intermediate_size: 1536,
      num_hidden_layers: 30,
      num_attention_heads: 9,
      num_key_value_heads: 3,
      max_position_embeddings: 8192,
      rms_norm_eps: 1e-5,
      rope_interleaved: false,
      rope_scaling: null,
      rope_theta: 100000,
      tie_word_embeddings: true,
      torch_dtype: "bfloat16",
    },
    134_515_008,
  ],
  [
    "TinyLlama-1.1B",
    {
      model_type: "llama",
      hidden_size: 2048,
      intermediate_size: 5632,
      num_hidden_layers: 22,
      num_attention_heads: 32,
      num_key_value_heads: 4,
      pretraining_tp: 1,
      rms_norm_eps: 1e-5,
      vocab_size: 32000,
    },
    1_100_048_384,
  ],
  [
    "Llama-3.2-1B",
    {
      model_type: "llama",
      head_dim: 64,
      hidden_size: 2048,
      intermediate_size: 8192,
      num_hidden_layers: 16,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      rope_scaling: { ...llama31, factor: 32 },
      rope_theta: 500000,
      tie_word_embeddings: true,
      vocab_size: 128256,
    },
    1_235_814_400,
  ],
  ["LLaVA-1.5-7B's text_config", { model_type: "llama", rms_norm_eps: 1e-5, vocab_size: 32064 }, 6_738_939_904],
  [
    "Qwen2.5-0.5B",
    {
      model_type: "qwen2",
      hidden_size: 896,
      intermediate_size: 4864,
      max_window_layers: 24,
      num_attention_heads: 14,
      num_hidden_layers: 24,
      num_key_value_heads: 2,
      rope_theta: 1000000,
      sliding_window: 32768,
      use_mrope: false,
      use_sliding_window: false,
      tie_word_embeddings: true,
      vocab_size: 151936,
    },
    494_032_768,
  ],
])("counts the parameters of %s", (_, file, count) => {
  const shapes = [...slmShapes(parseSlmConfig(file)).values()];
  expect(shapes.reduce((total, shape) => total + shape.reduce((a, b) => a * b, 1), 0)).toBe(count);
});
