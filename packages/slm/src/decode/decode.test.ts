import { createRng, memory, type Params, tensor3d, useBackend } from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { oneEngine } from "../../../tensor-core/test/engines.ts";
import {
  decodeTokens,
  generateTokens,
  initSlm,
  parseGenerationConfig,
  parseSlmConfig,
  streamTokens,
} from "../index.ts";
import { distributionOf, draw } from "./distribution.ts";

const config = parseSlmConfig({
  model_type: "qwen2",
  vocab_size: 20,
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
});
const prompts = [[1, 2, 3], [4, 5, 6, 7], [8]];
let params: Params;
beforeAll(async () => {
  await useBackend({ engine: oneEngine("wasm"), blas: false });
  params = initSlm(config, createRng(3));
});
const generate = (options: object = {}) => generateTokens({ config, params, prompts, maxNewTokens: 6, ...options });

it("ends each row before its end token, alone or in a list, and frees everything", async () => {
  const before = memory().numTensors;
  const free = await generate();
  expect(free.map((row) => row.length)).toEqual([6, 6, 6]);
  const end = free[0]?.[2] as number;
  const ended = free.map((row) => (row.includes(end) ? row.slice(0, row.indexOf(end)) : row));
  expect(await generate({ eosTokenIds: end })).toEqual(ended);
  expect(await generate({ eosTokenIds: [19, end] })).toEqual(
    ended.map((row) => (row.includes(19) ? row.slice(0, row.indexOf(19)) : row)),
  );
  expect(await generate({ maxNewTokens: 0 })).toEqual([[], [], []]);
  expect(await generate({ prompts: [] })).toEqual([]);
  expect(memory().numTensors).toBe(before);
});

it("gives each row of a padded batch what its prompt alone gives", async () => {
  const together = await generate({ repetitionPenalty: 1.2 });
  for (const [row, prompt] of prompts.entries())
    expect(await generate({ prompts: [prompt], repetitionPenalty: 1.2 })).toEqual([together[row]]);
});

it("yields every step as it comes, and stops when nobody reads on", async () => {
  const before = memory().numTensors;
  const rows = await generate();
  const seen: unknown[] = [];
  for await (const step of streamTokens({ config, params, prompts, maxNewTokens: 6 })) {
    seen.push(step);
    if (seen.length === 2) break;
  }
  expect(seen).toEqual([0, 1].map((i) => rows.map((row) => row[i])));
  expect(memory().numTensors).toBe(before);
});

it("ends a row after the id that stopWhen answers to", async () => {
  const free = await generate();
  const calls: number[] = [];
  const stopped = await generate({
    stopWhen: (ids: readonly number[], row: number) => {
      calls.push(row);
      return row === 1 && ids.length === 2;
    },
  });
  expect(stopped).toEqual([free[0], free[1]?.slice(0, 2), free[2]]);
  expect(calls.filter((row) => row === 1)).toHaveLength(2);
});

it("draws the same for the same seed, other ids for another, and the likeliest at the lowest temperature", async () => {
  const drawn = await generate({ temperature: 2, seed: 5 });
  expect(await generate({ temperature: 2, seed: 5 })).toEqual(drawn);
  expect(await generate({ temperature: 2, seed: 6 })).not.toEqual(drawn);
  expect(await generate({ temperature: 1e-6, seed: 6 })).toEqual(await generate());
  expect(await generate({ temperature: 5, topK: 1 })).toEqual(await generate());
  const same = await generate({ prompts: [prompts[0], prompts[0]], temperature: 2 });
  expect(same[0]).not.toEqual(same[1]); // a stream a row
});

it("frees everything when a step throws", async () => {
  const before = memory().numTensors;
  const lacking: Params = new Map([...params].filter(([name]) => !name.endsWith("1.mlp.up_proj.weight")));
  await expect(generate({ params: lacking })).rejects.toThrow(/layers\.1\.mlp\.up_proj/);
  const stopWhen = () => {
    throw new Error("mine");
  };
  await expect(generate({ stopWhen })).rejects.toThrow("mine");
  expect(memory().numTensors).toBe(before);
});

it.each([
  [{ maxNewTokens: -1 }, /maxNewTokens must be a whole number, got -1/],
  [{ temperature: -1 }, /temperature/],
  [{ topK: 0 }, /topK/],
  [{ topP: 0 }, /topP must be above 0 and at most 1, got 0/],
  [{ repetitionPenalty: 0 }, /repetitionPenalty/],
  [{ seed: 0.5 }, /seed/],
  [{ prompts: [[1], []] }, /prompt 1 must have a token/],
  [{ prompts: [[20]] }, /id 20 of sample 0/],
])("names what cannot be: %j", async (options, message) => {
  await expect(generate(options)).rejects.toThrow(message);
});

it("refuses prompts that are padded on the right", async () => {
  const embeddings = tensor3d(new Float32Array(16), [1, 2, 8]);
  const run = (attentionMask: Uint8Array) =>
    decodeTokens({ config, params, embeddings, attentionMask, maxNewTokens: 1 }).next();
  await expect(run(Uint8Array.of(1, 0))).rejects.toThrow(/row 0 ends in padding; pad prompts on the left/);
  await expect(run(Uint8Array.of(0, 0))).rejects.toThrow(/row 0 must have a token/);
  await expect(run(Uint8Array.of(1))).rejects.toThrow(/attentionMask must be \[1 · 2\], got 1/);
});

describe("a distribution", () => {
  const logits = Float32Array.from({ length: 300 }, (_, i) => 6 * Math.sin(i * i));

  it("is drawn from in proportion", () => {
    const distribution = distributionOf(logits, { topK: 7 });
    const counts = new Map<number, number>();
    const n = 10_000;
    for (let i = 0; i < n; i++) {
      const id = draw(distribution, (i + 0.5) / n);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    for (const [i, id] of distribution.ids.entries())
      expect(Math.abs((counts.get(id) ?? 0) - n * (distribution.probabilities[i] as number))).toBeLessThanOrEqual(1);
  });

  it("keeps ids that equal the last of topK, as transformers does, and needs a number", () => {
    expect([...distributionOf(Float32Array.of(1, 3, 3, 0, 3, 2), { topK: 2 }).ids]).toEqual([1, 2, 4]);
    expect([...distributionOf(Float32Array.of(1, 3, 2), { topK: 9 }).ids]).toEqual([0, 1, 2]);
    expect(() => distributionOf(Float32Array.of(Number.NaN, Number.NaN), {})).toThrow(/logits must be finite/);
  });

  it.each([0.05, 0.3, 0.9, 0.999, 0.9999999])("topP %s is the shortest list of the likeliest", (topP) => {
    const whole = distributionOf(logits, {});
    const order = [...whole.ids].sort((a, b) => (logits[b] as number) - (logits[a] as number));
    let [mass, count] = [0, 0];
    while (mass < topP) mass += whole.probabilities[order[count++] as number] as number;
    expect([...distributionOf(logits, { topP }).ids]).toEqual(order.slice(0, count));
  });
});

it("reads generation_config.json as transformers does", () => {
  expect(parseGenerationConfig({ eos_token_id: [1, 2], temperature: 0.7, top_p: 0.8 })).toEqual({
    eosTokenIds: [1, 2],
  });
  const qwen = { do_sample: true, temperature: 0.7, top_k: 20, top_p: 0.8, repetition_penalty: 1.1, eos_token_id: 5 };
  expect(parseGenerationConfig(qwen)).toEqual({
    temperature: 0.7,
    topK: 20,
    topP: 0.8,
    repetitionPenalty: 1.1,
    eosTokenIds: 5,
  });
  expect(parseGenerationConfig({ do_sample: true })).toEqual({ temperature: 1, topK: 50 });
  expect(parseGenerationConfig({ do_sample: true, top_k: 0, max_new_tokens: 9 })).toEqual({
    temperature: 1,
    maxNewTokens: 9,
  });
  expect(() => parseGenerationConfig({ top_p: 2 }, "g.json")).toThrow(/^g\.json: [\s\S]*top_p/);
});
