import {
  createRng,
  memory,
  mul,
  sum,
  type Tensor,
  type Tensor4D,
  tensor,
  tidy,
  useBackend,
  variable,
  variableGrads,
} from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { engines, numberOf, oneEngine, syncEngines, valuesOf } from "../../tensor-core/test/engines.ts";
import { featureRows, initVision, parseVisionConfig, selectFeatures, visionForward, visionShapes } from "./index.ts";

const sizes = {
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_channels: 3,
  image_size: 9,
  patch_size: 4,
};
const config = parseVisionConfig(sizes);
const clip = parseVisionConfig({ ...sizes, model_type: "clip_vision_model" });
const picture = (seed: number) => {
  const rng = createRng(seed);
  return tensor(
    Float32Array.from({ length: 2 * 9 * 9 * 3 }, () => rng.normal()),
    [2, 9, 9, 3],
  ) as Tensor4D;
};

describe.each(engines)("towers on %s", (engine) => {
  it.each([
    ["siglip", config, 4, ["embeddings.patch_embedding.weight", "post_layernorm.weight"], undefined],
    ["clip", clip, 5, ["embeddings.class_embedding", "pre_layrnorm.weight"], [1, -1]],
  ] as const)(
    "%s gives gradients to what is trainable, right ones, and leaks nothing",
    async (_, config, rows, own, layer) => {
      await useBackend({ engine });
      const params = initVision(config, createRng(1));
      for (const [name, t] of params) params.set(name, variable(t as Tensor));
      const pixels = picture(2);
      const width = 8 * (layer?.length ?? 1);
      const weights = tensor(
        Float32Array.from({ length: 2 * rows * width }, (_, i) => Math.sin(i)),
        [2, rows, width],
      );
      const names = [
        ...own,
        "embeddings.position_embedding.weight",
        "encoder.layers.0.self_attn.k_proj.weight",
        "encoder.layers.1.mlp.fc1.bias",
      ].map((n) => `vision_tower.vision_model.${n}`);
      const options = { config, params, pixels, trainable: new Set(names), ...(layer === undefined ? {} : { layer }) };
      const loss = () => sum(mul(visionForward(options), weights));
      const before = memory().numTensors;
      const variables = names.map((name) => params.get(name) as ReturnType<typeof variable>);
      const { value, grads } = variableGrads(loss as never, variables);
      const gradients = await Promise.all(variables.map((v) => valuesOf(grads[v.name] ?? expect.fail(v.name))));
      value.dispose();
      for (const g of Object.values(grads)) g.dispose();
      expect(memory().numTensors).toBe(before);
      const step = 1e-2;
      for (const [i, v] of variables.entries()) {
        const old = await valuesOf(v);
        const at = (by: number) => {
          const moved = old.map((x, j) => (j === 5 ? x + by : x));
          tidy(() => v.assign(tensor(moved, v.shape)));
          return numberOf(loss);
        };
        const slope = ((await at(step)) - (await at(-step))) / (2 * step);
        await at(0);
        expect(Math.abs((gradients[i]?.[5] as number) - slope), names[i]).toBeLessThan(
          2e-3 * Math.max(1, Math.abs(slope)),
        );
      }
    },
  );
});

it.each(syncEngines)("on %s a checkpointed tower has the plain one's gradients", async (engine) => {
  await useBackend({ engine });
  const params = new Map([...initVision(config, createRng(1))].map(([name, t]) => [name, variable(t)]));
  const pixels = picture(2);
  const gradients = (gradientCheckpointing: boolean) => {
    const trainable = new Set(params.keys());
    const { grads } = variableGrads(
      () => sum(visionForward({ config, params, pixels, trainable, gradientCheckpointing })),
      [...params.values()],
    );
    return [...params.values()].map(({ name }) => [...(grads[name] as Tensor).dataSync()]);
  };
  expect(gradients(true)).toEqual(gradients(false));
});

beforeAll(async () => {
  await useBackend({ engine: oneEngine("wasm"), blas: false });
});

it("keeps nothing of a frozen tower for the gradient", async () => {
  const params = initVision(config, createRng(1));
  const pixels = picture(4);
  const scale = variable(tensor(new Float32Array(8).fill(1), [8]));
  let made = 0;
  const { value, grads } = variableGrads(() => {
    const before = memory().numTensors;
    const features = visionForward({ config, params, pixels });
    made = memory().numTensors - before;
    return sum(mul(features, scale));
  }, [scale]);
  const total = await valuesOf(() => sum(visionForward({ config, params, pixels }), [0, 1]));
  expect(made).toBe(1);
  for (const [i, slope] of (await valuesOf(grads[scale.name] ?? expect.fail())).entries())
    expect(slope).toBeCloseTo(total[i] as number, 4);
  expect(value.shape).toEqual([]);
});

it("does not need the layers beyond the chosen one", async () => {
  const params = initVision(config, createRng(1));
  const pixels = picture(3);
  const whole = visionForward({ config, params, pixels, layer: -2 });
  for (const name of params.keys()) if (/layers\.1|post_layernorm/.test(name)) params.delete(name);
  expect(await valuesOf(visionForward({ config, params, pixels, layer: 1 }))).toEqual(await valuesOf(whole));
  expect(() => visionForward({ config, params, pixels })).toThrow(expect.objectContaining({ code: "KD_WEIGHTS" }));
  expect(() => visionForward({ config, params, pixels, layer: 3 })).toThrow(/from -3 to 2, got 3/);
  expect(() =>
    visionForward({ config, params, pixels: tensor(new Float32Array(27), [1, 3, 3, 3]) as Tensor4D }),
  ).toThrow(/pixels/);
});

it("sets the rows of several layers side by side", async () => {
  const params = initVision(clip, createRng(1));
  const pixels = picture(3);
  const alone = (layer: number) => valuesOf(() => visionForward({ config: clip, params, pixels, layer }));
  const before = memory().numTensors;
  const both = await valuesOf(() => visionForward({ config: clip, params, pixels, layer: [-1, 1] }));
  const [last, first] = [await alone(-1), await alone(1)];
  expect(memory().numTensors).toBe(before);
  const row = (values: Float32Array, i: number) => [...values.subarray(8 * i, 8 * i + 8)];
  for (let i = 0; i < 10; i++)
    expect([...both.subarray(16 * i, 16 * i + 16)]).toEqual([...row(last, i), ...row(first, i)]);
  expect(() => visionForward({ config: clip, params, pixels, layer: [] })).toThrow(/expected a layer/);
});

it("takes Hugging Face's defaults by the kind of tower", () => {
  expect(parseVisionConfig({ model_type: "clip_vision_model" })).toMatchObject({
    patch_size: 32,
    hidden_act: "quick_gelu",
    layer_norm_eps: 1e-5,
  });
  expect(parseVisionConfig({})).toMatchObject({
    model_type: "siglip_vision_model",
    patch_size: 16,
    layer_norm_eps: 1e-6,
  });
  expect(featureRows(parseVisionConfig({ model_type: "clip_vision_model", image_size: 336, patch_size: 14 }))).toBe(
    577,
  );
  expect(featureRows(parseVisionConfig({ image_size: 384, patch_size: 14 }))).toBe(729);
  expect(() => parseVisionConfig({ model_type: "dinov2" })).toThrow(/model_type/);
});

it("starts the same for the same seed, with unit norms and no bias", async () => {
  const [a, b] = [initVision(config, createRng(7), "x."), initVision(config, createRng(7), "x.")];
  expect([...a.keys()]).toEqual([...visionShapes(config, "x.").keys()]);
  for (const [name, t] of a) expect(await valuesOf(t)).toEqual(await valuesOf(b.get(name) ?? expect.fail(name)));
  const all = async (name: string, wanted: number) =>
    expect((await valuesOf(a.get(`x.post_layernorm.${name}`) ?? expect.fail(name))).every((v) => v === wanted)).toBe(
      true,
    );
  await all("weight", 1);
  await all("bias", 0);
});

it("selects all rows or all but the first", async () => {
  const features = tensor(Float32Array.from([1, 2, 3, 4]), [1, 2, 2]) as never;
  expect([...(await valuesOf(selectFeatures(features, "full")))]).toEqual([1, 2, 3, 4]);
  expect([...(await valuesOf(selectFeatures(features, "patch")))]).toEqual([3, 4]);
  expect(() => selectFeatures(features, "cls" as never)).toThrow(/strategy/);
});

it("names the wrong field of a config", () => {
  expect(() => parseVisionConfig({ hidden_size: 10, num_attention_heads: 3 })).toThrow(/num_attention_heads/);
  expect(() => parseVisionConfig({ patch_size: "4" })).toThrow(expect.objectContaining({ code: "KD_CONFIG" }));
});
