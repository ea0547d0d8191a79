import { createRng, halfOf, halfTensor, type Params, tensor, useBackend, Variable, zeros } from "@kd/tensor-core";
import { beforeAll, expect, it } from "vitest";
import { numberOf, oneEngine, valuesOf } from "../../tensor-core/test/engines.ts";
import { tinyConfig } from "../test/tiny-llava.ts";
import { initLlava, llavaShapes } from "./index.ts";

beforeAll(async () => {
  await useBackend({ engine: oneEngine("cpu") });
});

it("takes the parameters it is given and makes the rest, by seed", async () => {
  const name = "multi_modal_projector.linear_1.bias";
  const [width] = llavaShapes(tinyConfig).get(name) as [number];
  const from: Params = new Map([[name, tensor(new Float32Array(width).fill(7))]]);
  const [params, again] = [
    initLlava(tinyConfig, createRng(1), { from }),
    initLlava(tinyConfig, createRng(1), { from }),
  ];
  expect(await numberOf(params.get(name) ?? expect.fail(name))).toBe(7);
  expect([...params.keys()]).toEqual([...llavaShapes(tinyConfig).keys()]);
  for (const [key, value] of params) {
    expect(await valuesOf(again.get(key) ?? expect.fail(key))).toEqual(await valuesOf(value));
    expect(value instanceof Variable).toBe(!key.startsWith("vision_tower."));
  }
});

it("takes parameters in 16 bits as float32, and leaves theirs as they are", () => {
  const name = "multi_modal_projector.linear_1.bias";
  const [width] = llavaShapes(tinyConfig).get(name) as [number];
  const given = halfTensor({ format: "bf16", words: new Uint16Array(width).fill(0x3f80), shape: [width] });
  const params = initLlava(tinyConfig, createRng(1), { from: new Map([[name, given]]) });
  expect(params.get(name)).toBeInstanceOf(Variable);
  expect(params.get(name)?.dataSync()).toEqual(new Float32Array(width).fill(1));
  expect(halfOf(given)).toBeDefined();
});

it("names a parameter of another shape", () => {
  const from: Params = new Map([["multi_modal_projector.linear_1.bias", zeros([3, 3])]]);
  expect(() => initLlava(tinyConfig, createRng(1), { from })).toThrow(/linear_1\.bias" must be \[\d+\], got \[3, 3\]/);
});
