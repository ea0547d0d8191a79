import {
  add,
  createRng,
  halfOf,
  halfTensor,
  memory,
  mul,
  type Params,
  type Scalar,
  square,
  sum,
  type Tensor,
  tensor,
  tensor2d,
  useBackend,
  type Variable,
  variable,
  variableGrads,
} from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { oneEngine, syncEngines, valuesOf } from "../../tensor-core/test/engines.ts";
import { embedTokens, generateTokens, initSlm, parseSlmConfig, slmForward, slmOutputs } from "./index.ts";

const sizes = {
  model_type: "qwen2",
  vocab_size: 20,
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
};
const config = parseSlmConfig({ ...sizes, num_key_value_heads: 1 });
const ids = Int32Array.of(1, 2, 3, 4, 5, 6);
let params: Params;
beforeAll(async () => {
  await useBackend({ engine: oneEngine("cpu"), blas: false });
  params = initSlm(config, createRng(3));
});

it("names the sample and the place of an id without a row", () => {
  const run = () => embedTokens({ config, params, inputIds: Int32Array.of(1, 2, 3, 20), shape: [2, 2] });
  expect(run).toThrow(/id 20 of sample 1 at 1 is outside \[0, 20\)/);
});

it("names a missing parameter", () => {
  const embeddings = embedTokens({ config, params, inputIds: ids, shape: [2, 3] });
  const lacking = new Map([...params].filter(([name]) => !name.endsWith("1.mlp.up_proj.weight")));
  expect(() => slmForward({ config, params: lacking, embeddings })).toThrow(/layers\.1\.mlp\.up_proj\.weight/);
  embeddings.dispose();
});

it("looks at no later position, so that padding on the right changes nothing", async () => {
  const hidden = async (inputIds: Int32Array) => {
    const embeddings = embedTokens({ config, params, inputIds, shape: [1, 6] });
    return (await valuesOf(slmForward({ config, params, embeddings }))).slice(0, 4 * 8);
  };
  const [one, other] = [await hidden(ids), await hidden(Int32Array.of(1, 2, 3, 4, 19, 0))];
  for (const [i, x] of one.entries()) expect(x).toBeCloseTo(other[i] as number, 6);
});

describe.each(syncEngines)("gradient checkpointing on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it.each([
    ["every parameter is trained", () => true],
    ["one layer's projection and what enters are", (name: string) => name.includes("1.self_attn.k_proj")],
    ["only what enters is", () => false],
  ])("gives the gradients of the plain pass when %s", (_, trains) => {
    const weights: Params = new Map([...initSlm(config, createRng(3))].map(([name, t]) => [name, variable(t)]));
    const embeddings = variable(embedTokens({ config, params: weights, inputIds: ids, shape: [2, 3] }));
    const names = [...weights.keys()].filter((name) => trains(name) && !/embed_tokens|lm_head/.test(name));
    const variables = [embeddings, ...names.map((name) => weights.get(name) as Variable)];
    const keyMask = tensor2d([0, 1, 1, 1, 1, 1], [2, 3]);
    const run = (gradientCheckpointing: boolean) => {
      const before = memory().numTensors;
      const { value, grads } = variableGrads(() => {
        const trainable = new Set(names);
        const hidden = slmForward({ config, params: weights, embeddings, keyMask, trainable, gradientCheckpointing });
        return sum(mul(hidden, hidden)) as Scalar;
      }, variables as Variable[]);
      const data = variables.map(({ name }) => [...(grads[name] as Tensor).dataSync()]);
      value.dispose();
      for (const gradient of Object.values(grads)) gradient.dispose();
      expect(memory().numTensors).toBe(before);
      return data;
    };
    expect(run(true)).toEqual(run(false));
  });
});

it.each(["bf16", "fp16"] as const)(
  "weights in %s give what float32 weights of the same numbers give",
  async (format) => {
    await useBackend({ engine: "wasm", blas: false });
    const rng = createRng(4);
    const top = format === "bf16" ? 0x3c00 : 0x2000; // small numbers
    const half: Params = new Map(
      [...params].map(([name, { shape, size }]) => {
        const words = Uint16Array.from({ length: size }, () => (rng.int(2) << 15) | (top + rng.int(0x200)));
        return [name, halfTensor({ format, words, shape })];
      }),
    );
    const wide: Params = new Map([...half].map(([name, t]) => [name, tensor(t.dataSync(), t.shape)]));
    const results = [half, wide].map((params) => {
      const embeddings = variable(embedTokens({ config, params, inputIds: ids, shape: [2, 3] }));
      const passes = [false, true].map((gradientCheckpointing) => {
        const { value, grads } = variableGrads(
          () => sum(square(slmForward({ config, params, embeddings, gradientCheckpointing }))) as Scalar,
          [embeddings],
        );
        return [value, grads[embeddings.name] as Tensor].map((t) => [...t.dataSync()]);
      });
      expect(passes[0]).toEqual(passes[1]);
      return passes[0];
    });
    expect(results[0]).toEqual(results[1]);
    const prompts = [ids.subarray(0, 3), ids.subarray(3)];
    const [a, b] = await Promise.all(
      [half, wide].map((params) => generateTokens({ config, params, prompts, maxNewTokens: 4 })),
    );
    expect(a).toEqual(b);
    expect([...half.values()].every((t) => halfOf(t)?.format === format)).toBe(true);
  },
);

it("frees each layer's activations when there is no gradient", async () => {
  await useBackend({ engine: oneEngine("cpu"), blas: false });
  const embeddings = embedTokens({ config, params, inputIds: ids, shape: [2, 3] });
  let most = 0;
  const watched: Params = new Map(params);
  watched.get = (name) => {
    most = Math.max(most, memory().numTensors);
    return params.get(name);
  };
  const peak = (layers: number): number => {
    most = 0;
    const before = memory().numTensors;
    slmForward({ config: { ...config, num_hidden_layers: layers }, params: watched, embeddings }).dispose();
    return most - before;
  };
  expect(peak(2)).toBe(peak(1) + 1); // what the first layer gave
  embeddings.dispose();
});

describe.each([false, true])("more outputs, gradient checkpointing %s", (gradientCheckpointing) => {
  let params: Params; // of its own engine: what webgpu holds cannot be moved without waiting
  beforeAll(async () => {
    await useBackend({ engine: syncEngines.includes("wasm") ? "wasm" : (syncEngines[0] as "wasm"), blas: false });
    params = initSlm(config, createRng(3));
  });

  it("are what was asked for, in that order, and leave the rest as it was", async () => {
    const embeddings = embedTokens({ config, params, inputIds: ids, shape: [2, 3] });
    const before = memory().numTensors;
    const out = slmOutputs({
      config,
      params,
      embeddings,
      gradientCheckpointing,
      hiddenStates: [2, 0],
      attentions: [1],
    });
    const plain = slmForward({ config, params, embeddings });
    expect(out.hidden.dataSync()).toEqual(plain.dataSync());
    expect(out.hiddenStates?.map((t) => t.dataSync())).toEqual([plain.dataSync(), embeddings.dataSync()]);
    const map = out.attentions?.[0] as Tensor;
    expect(map.shape).toEqual([2, 2, 3, 3]);
    for (const row of sum(map, -1).dataSync()) expect(row).toBeCloseTo(1, 5);
    expect(memory().numTensors).toBe(before + 6); // hidden, two states, one map, the plain pass, the sums
    expect(() => slmOutputs({ config, params, embeddings, attentions: [2] })).toThrow(
      /attentions must be .* 0…1, got 2/,
    );
    expect(() => slmOutputs({ config, params, embeddings, hiddenStates: [3] })).toThrow(/0…2, got 3/);
  });

  it("have gradients", async () => {
    const names = [...params.keys()].filter((name) => /0\.self_attn\.[qk]_proj|0\.input_layernorm/.test(name));
    const weights: Params = new Map([...params].map(([name, t]) => [name, names.includes(name) ? variable(t) : t]));
    const embeddings = embedTokens({ config, params, inputIds: ids, shape: [2, 3] });
    const loss = () => {
      const { attentions, hiddenStates } = slmOutputs({
        config,
        params: weights,
        embeddings,
        trainable: new Set(names),
        gradientCheckpointing,
        attentions: [0],
        hiddenStates: [1],
      });
      return add(sum(square(attentions?.[0] as Tensor)), mul(sum(square(hiddenStates?.[0] as Tensor)), 0.01)) as Scalar;
    };
    const { grads } = variableGrads(
      loss,
      names.map((name) => weights.get(name) as Variable),
    );
    const name = names.find((n) => n.endsWith("q_proj.weight")) as string;
    const weight = weights.get(name) as Variable;
    const slope = (grads[weight.name] as Tensor).dataSync();
    const data = weight.dataSync().slice();
    for (const i of [0, 7, 30]) {
      const [up, down] = [1e-2, -1e-2].map((by) => {
        weight.assign(
          tensor(
            data.map((x, j) => (i === j ? x + by : x)),
            weight.shape,
          ),
        );
        return loss().dataSync()[0] as number;
      }) as [number, number];
      expect(slope[i]).toBeCloseTo((up - down) / 2e-2, 3);
    }
  });
});
