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

  it("follows the definition in float64 for three steps, with decay and scaled gradients", async () => {
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
      adamWStep({ params: [param], grads: [g], m, v, ...settings, weightDecay: [0.1], step, gradientScale: 0.5 });
      g.dispose();
      for (let i = 0; i < SIZE; i++) {
        const scaled = (gradient[i] as number) * 0.5;
        first[i] = 0.9 * (first[i] as number) + 0.1 * scaled;
        second[i] = 0.98 * (second[i] as number) + 0.02 * scaled * scaled;
        const change =
          (first[i] as number) / (1 - 0.9 ** step) / (Math.sqrt((second[i] as number) / (1 - 0.98 ** step)) + 1e-8);
        expected[i] = (expected[i] as number) * (1 - 0.01 * 0.1) - 0.01 * change;
      }
    }
    for (const [i, x] of (await valuesOf(param)).entries()) expect(x).toBeCloseTo(expected[i] as number, 5);
    expect(memory().numTensors).toBe(before);
  });

  it("sums squares over all tensors", async () => {
    expect(await numberOf(sumOfSquares([tensor([1, 2, 3]), tensor([[4]])]))).toBeCloseTo(30, 5);
  });
});
