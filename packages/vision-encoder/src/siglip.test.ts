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
import { describe, expect, it } from "vitest";
import { initSiglip, parseSiglipConfig, selectFeatures, siglipForward, siglipShapes } from "./index.ts";

const config = parseSiglipConfig({
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_channels: 3,
  image_size: 9,
  patch_size: 4,
});
const picture = (seed: number) => {
  const rng = createRng(seed);
  return tensor(
    Float32Array.from({ length: 2 * 9 * 9 * 3 }, () => rng.normal()),
    [2, 9, 9, 3],
  ) as Tensor4D;
};

describe.each(["cpu", "wasm"] as const)("siglip on %s", (engine) => {
  it("gives gradients to what is trainable, right ones, and leaks nothing", async () => {
    await useBackend({ engine });
    const params = initSiglip(config, createRng(1));
    for (const [name, t] of params) params.set(name, variable(t as Tensor));
    const pixels = picture(2);
    const weights = tensor(
      Float32Array.from({ length: 2 * 4 * 8 }, (_, i) => Math.sin(i)),
      [2, 4, 8],
    );
    const names = [
      "embeddings.patch_embedding.weight",
      "embeddings.position_embedding.weight",
      "encoder.layers.0.self_attn.k_proj.weight",
      "encoder.layers.1.mlp.fc1.bias",
      "post_layernorm.weight",
    ].map((n) => `vision_tower.vision_model.${n}`);
    const loss = () => sum(mul(siglipForward({ config, params, pixels, trainable: new Set(names) }), weights));
    const before = memory().numTensors;
    const variables = names.map((name) => params.get(name) as ReturnType<typeof variable>);
    const { value, grads } = variableGrads(loss as never, variables);
    const gradients = variables.map((v) => grads[v.name]?.dataSync() ?? expect.fail(v.name));
    value.dispose();
    for (const g of Object.values(grads)) g.dispose();
    expect(memory().numTensors).toBe(before);
    const step = 1e-2;
    for (const [i, v] of variables.entries()) {
      const old = Float32Array.from(v.dataSync());
      const at = (by: number) => {
        const moved = old.map((x, j) => (j === 5 ? x + by : x));
        tidy(() => v.assign(tensor(moved, v.shape)));
        return tidy(() => (loss() as Tensor).dataSync()[0] as number);
      };
      const slope = (at(step) - at(-step)) / (2 * step);
      at(0);
      expect(Math.abs((gradients[i]?.[5] as number) - slope), names[i]).toBeLessThan(
        2e-3 * Math.max(1, Math.abs(slope)),
      );
    }
  });
});

it.each(["cpu", "wasm"] as const)("on %s a checkpointed tower has the plain one's gradients", async (engine) => {
  await useBackend({ engine });
  const params = new Map([...initSiglip(config, createRng(1))].map(([name, t]) => [name, variable(t)]));
  const pixels = picture(2);
  const gradients = (gradientCheckpointing: boolean) => {
    const trainable = new Set(params.keys());
    const { grads } = variableGrads(
      () => sum(siglipForward({ config, params, pixels, trainable, gradientCheckpointing })),
      [...params.values()],
    );
    return [...params.values()].map(({ name }) => [...(grads[name] as Tensor).dataSync()]);
  };
  expect(gradients(true)).toEqual(gradients(false));
});

it("keeps nothing of a frozen tower for the gradient", () => {
  const params = initSiglip(config, createRng(1));
  const pixels = picture(4);
  const scale = variable(tensor(new Float32Array(8).fill(1), [8]));
  let made = 0;
  const { value, grads } = variableGrads(() => {
    const before = memory().numTensors;
    const features = siglipForward({ config, params, pixels });
    made = memory().numTensors - before;
    return sum(mul(features, scale));
  }, [scale]);
  const total = tidy(() => sum(siglipForward({ config, params, pixels }), [0, 1]).dataSync());
  expect(made).toBe(1);
  for (const [i, slope] of (grads[scale.name]?.dataSync() ?? expect.fail()).entries())
    expect(slope).toBeCloseTo(total[i] as number, 4);
  expect(value.shape).toEqual([]);
});

it("does not need the layers beyond the chosen one", () => {
  const params = initSiglip(config, createRng(1));
  const pixels = picture(3);
  const whole = siglipForward({ config, params, pixels, layer: -2 });
  for (const name of params.keys()) if (/layers\.1|post_layernorm/.test(name)) params.delete(name);
  expect(siglipForward({ config, params, pixels, layer: 1 }).dataSync()).toEqual(whole.dataSync());
  expect(() => siglipForward({ config, params, pixels })).toThrow(expect.objectContaining({ code: "KD_WEIGHTS" }));
  expect(() => siglipForward({ config, params, pixels, layer: 3 })).toThrow(/from -3 to 2, got 3/);
  expect(() =>
    siglipForward({ config, params, pixels: tensor(new Float32Array(27), [1, 3, 3, 3]) as Tensor4D }),
  ).toThrow(/pixels/);
});

it("starts the same for the same seed, with unit norms and no bias", () => {
  const [a, b] = [initSiglip(config, createRng(7), "x."), initSiglip(config, createRng(7), "x.")];
  expect([...a.keys()]).toEqual([...siglipShapes(config, "x.").keys()]);
  for (const [name, t] of a) expect(t.dataSync()).toEqual(b.get(name)?.dataSync());
  expect(
    a
      .get("x.post_layernorm.weight")
      ?.dataSync()
      .every((v) => v === 1),
  ).toBe(true);
  expect(
    a
      .get("x.post_layernorm.bias")
      ?.dataSync()
      .every((v) => v === 0),
  ).toBe(true);
});

it("selects all rows or all but the first", () => {
  const features = tensor(Float32Array.from([1, 2, 3, 4]), [1, 2, 2]) as never;
  expect([...selectFeatures(features, "full").dataSync()]).toEqual([1, 2, 3, 4]);
  expect([...selectFeatures(features, "patch").dataSync()]).toEqual([3, 4]);
  expect(() => selectFeatures(features, "cls" as never)).toThrow(/strategy/);
});

it("names the wrong field of a config", () => {
  expect(() => parseSiglipConfig({ hidden_size: 10, num_attention_heads: 3 })).toThrow(/num_attention_heads/);
  expect(() => parseSiglipConfig({ patch_size: "4" })).toThrow(expect.objectContaining({ code: "KD_CONFIG" }));
});
