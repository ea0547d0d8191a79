import { beforeEach, describe, expect, it } from "vitest";
import { engines, numberOf, valuesOf } from "../../test/engines.ts";
import {
  adamWStep,
  createRng,
  memory,
  sumOfSquares,
  type Tensor,
  tensor,
  useBackend,
  variable,
  zerosLike,
} from "../index.ts";

const SIZE = 11;
const settings = { lr: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-8 };

describe.each(engines)("AdamW on %s", (engine) => {
  beforeEach(async () => {
    await useBackend({ engine, blas: false });
  });

  it.each([
    { decay: 0.1, gradientScale: 0.5 },
    { decay: 0, gradientScale: 1 },
  ])("follows the definition in float64 for three steps, with %j", async ({ decay, gradientScale }) => {
    const rng = createRng(5);
    const start = Float32Array.from({ length: SIZE }, () => rng.normal());
    const param = variable(tensor(start));
    const [m, v]: [Tensor[], Tensor[]] = [[zerosLike(param)], [zerosLike(param)]];
    const expected = Float64Array.from(start);
    const [first, second] = [new Float64Array(SIZE), new Float64Array(SIZE)];
    const before = memory().numTensors;
    for (let step = 1; step <= 3; step++) {
      const gradient = Float32Array.from({ length: SIZE }, () => rng.normal());
      const g = tensor(gradient);
      adamWStep({ params: [param], grads: [g], m, v, ...settings, weightDecay: [decay], step, gradientScale });
      g.dispose();
      for (let i = 0; i < SIZE; i++) {
        const scaled = (gradient[i] as number) * gradientScale;
        first[i] = 0.9 * (first[i] as number) + 0.1 * scaled;
        second[i] = 0.98 * (second[i] as number) + 0.02 * scaled * scaled;
        const change =
          (first[i] as number) / (1 - 0.9 ** step) / (Math.sqrt((second[i] as number) / (1 - 0.98 ** step)) + 1e-8);
        expected[i] = (expected[i] as number) * (1 - 0.01 * decay) - 0.01 * change;
      }
    }
    for (const [i, x] of (await valuesOf(param)).entries()) expect(x).toBeCloseTo(expected[i] as number, 5);
    expect(memory().numTensors).toBe(before);
  });

  it("names a gradient or moment of another size, and changes nothing", async () => {
    const param = variable(tensor([1, 2]));
    const whole = { m: [zerosLike(param)], v: [zerosLike(param)] };
    const step = { params: [param], ...settings, weightDecay: [0], step: 1 };
    const wrong = tensor([1]);
    expect(() => adamWStep({ ...step, ...whole, grads: [wrong] })).toThrow(
      /gradient and moments of parameter 0 .* 2, got 1, 2, 2/,
    );
    expect(() => adamWStep({ ...step, ...whole, v: [wrong], grads: [tensor([1, 1])] })).toThrow(/got 2, 2, 1/);
    expect([...(await valuesOf(param))]).toEqual([1, 2]);
    expect([...(await valuesOf(whole.m[0] as Tensor))]).toEqual([0, 0]);
  });

  it("sums squares over all tensors", async () => {
    expect(await numberOf(sumOfSquares([tensor([1, 2, 3]), tensor([[4]])]))).toBeCloseTo(30, 5);
  });
});
