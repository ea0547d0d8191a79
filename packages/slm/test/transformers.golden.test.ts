import { linear, memory, slice, type Tensor2D, useBackend } from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { engines, valuesOf } from "../../tensor-core/test/engines.ts";
import { distributionOf, penalizeRepetition } from "../src/decode/distribution.ts";
import { embedTokens, generateTokens, headName, parseSlmConfig, slmForward } from "../src/index.ts";
import { ropeFrequencies } from "../src/rope-scaling.ts";
import { fixtures, sineModel } from "./sines.ts";

describe.each(engines)("scaled rotary angles on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it.each(["llama3", "linear"] as const)("%s: angles, logits, padded batches and penalties", async (name) => {
    const fixture = fixtures.models[name];
    const { config, params } = sineModel(fixture);
    for (const [i, frequency] of ropeFrequencies(config).entries())
      expect(frequency / (fixture.inv_freq[i] as number)).toBeCloseTo(1, 6);
    const inputIds = Int32Array.from(fixture.input_ids);
    const before = memory().numTensors;
    const logits = await valuesOf(() => {
      const embeddings = embedTokens({ config, params, inputIds, shape: [1, inputIds.length], prefix: "" });
      const hidden = slmForward({ config, params, embeddings, prefix: "" });
      return linear(slice(hidden, [0, 0, 0]), params.get(headName(config, "")) as Tensor2D);
    });
    const largest = Math.max(...fixture.logits.flat().map(Math.abs));
    for (const [i, row] of fixture.rows.entries())
      for (const [id, expected] of (fixture.logits[i] ?? []).entries())
        expect(Math.abs((logits[row * config.vocab_size + id] as number) - expected) / largest).toBeLessThan(1e-5);
    const { prompts, greedy, penalized } = fixture;
    const options = { config, params, prompts, maxNewTokens: 12, prefix: "" };
    expect(await generateTokens(options)).toEqual(greedy);
    expect(await generateTokens({ ...options, repetitionPenalty: 1.3 })).toEqual(penalized);
    expect(memory().numTensors).toBe(before);
  });
});

it("reads the angles of transformers 5's rope_parameters and of both older keys", () => {
  const { config } = fixtures.models.llama3;
  const { rope_scaling, rope_theta, ...rest } = config;
  const { rope_type, ...numbers } = rope_scaling as { rope_type: string };
  const parsed = parseSlmConfig(config);
  expect(parsed.rope_scaling).toEqual(rope_scaling);
  expect(parseSlmConfig({ ...rest, rope_parameters: { ...(rope_scaling as object), rope_theta } })).toEqual(parsed);
  expect(parseSlmConfig({ ...config, rope_scaling: { type: rope_type, ...numbers } })).toEqual(parsed);
  expect(parseSlmConfig(parsed)).toEqual(parsed);
});

it.each(fixtures.sampling)("the distribution of $options is transformers'", ({ options, probabilities }) => {
  const { temperature, top_k, top_p, repetition_penalty = 1 } = options;
  const logits = Float32Array.from(fixtures.logits);
  penalizeRepetition(logits, new Set(fixtures.seen), repetition_penalty);
  const got = distributionOf(logits, {
    ...(temperature === undefined ? {} : { temperature }),
    ...(top_k === undefined ? {} : { topK: top_k }),
    ...(top_p === undefined ? {} : { topP: top_p }),
  });
  expect([...got.ids].sort((a, b) => a - b)).toEqual(Object.keys(probabilities).map(Number));
  for (const [i, id] of got.ids.entries()) expect(got.probabilities[i]).toBeCloseTo(probabilities[id] as number, 6);
});
