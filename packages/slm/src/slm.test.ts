import { createRng, memory, type Params, useBackend } from "@kd/tensor-core";
import { beforeAll, expect, it } from "vitest";
import { oneEngine, valuesOf } from "../../tensor-core/test/engines.ts";
import { embedTokens, greedyDecode, initQwen2, parseQwen2Config, qwen2Forward } from "./index.ts";

const sizes = { vocab_size: 20, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 2, num_attention_heads: 2 };
const config = parseQwen2Config({ ...sizes, num_key_value_heads: 1 });
const ids = Int32Array.of(1, 2, 3, 4, 5, 6);
let params: Params;
beforeAll(async () => {
  await useBackend({ engine: oneEngine("cpu"), blas: false });
  params = initQwen2(config, createRng(3));
});

it("fills in Qwen2's defaults", () => {
  expect(parseQwen2Config(sizes)).toEqual({
    ...sizes,
    num_key_value_heads: 2,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    tie_word_embeddings: false,
  });
});

it.each([
  [{ ...sizes, num_attention_heads: 3 }, /num_attention_heads must divide hidden_size/],
  [{ ...sizes, num_key_value_heads: 3 }, /num_key_value_heads must divide/],
  [{ ...sizes, hidden_act: "relu" }, /hidden_act/],
  [{ ...sizes, vocab_size: -1 }, /vocab_size/],
])("names the field of a wrong configuration: %j", (value, message) => {
  expect(() => parseQwen2Config(value, "a/config.json")).toThrow(/^a\/config\.json: /);
  expect(() => parseQwen2Config(value)).toThrow(message);
});

it("names the sample and the place of an id without a row", () => {
  const run = () => embedTokens({ config, params, inputIds: Int32Array.of(1, 2, 3, 20), shape: [2, 2] });
  expect(run).toThrow(/id 20 of sample 1 at 1 is outside \[0, 20\)/);
});

it("names a missing parameter", () => {
  const embeddings = embedTokens({ config, params, inputIds: ids, shape: [2, 3] });
  const lacking = new Map([...params].filter(([name]) => !name.endsWith("1.mlp.up_proj.weight")));
  expect(() => qwen2Forward({ config, params: lacking, embeddings })).toThrow(/layers\.1\.mlp\.up_proj\.weight/);
  embeddings.dispose();
});

it("looks at no later position, so that padding on the right changes nothing", async () => {
  const hidden = async (inputIds: Int32Array) => {
    const embeddings = embedTokens({ config, params, inputIds, shape: [1, 6] });
    return (await valuesOf(qwen2Forward({ config, params, embeddings }))).slice(0, 4 * 8);
  };
  const [one, other] = [await hidden(ids), await hidden(Int32Array.of(1, 2, 3, 4, 19, 0))];
  for (const [i, x] of one.entries()) expect(x).toBeCloseTo(other[i] as number, 6);
});

it("ends each row before its end token, and frees everything but the prompt", async () => {
  const embeddings = embedTokens({ config, params, inputIds: ids, shape: [2, 3] });
  const before = memory().numTensors;
  const options = { config, params, embeddings, maxNewTokens: 6 };
  const free = await greedyDecode(options);
  expect(free.map((row) => row.length)).toEqual([6, 6]);
  const end = free[0]?.[2] as number;
  const ended = await greedyDecode({ ...options, eosTokenIds: [end] });
  expect(ended).toEqual(free.map((row) => (row.includes(end) ? row.slice(0, row.indexOf(end)) : row)));
  expect(memory().numTensors).toBe(before);
});
