import { beforeAll, describe, expect, it } from "vitest";
import { engines, valuesOf } from "../../test/engines.ts";
import { random } from "../../test/tensors.ts";
import {
  attention,
  constant,
  gatherRows,
  gelu,
  grads,
  layerNorm,
  linear,
  memory,
  mul,
  type Operand,
  replaceRows,
  residual,
  rmsNorm,
  rope,
  ropeTables,
  sum,
  swiglu,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensor,
  tidy,
  useBackend,
  view,
  zeros,
} from "../index.ts";

interface Case {
  readonly shapes: readonly (readonly number[])[];
  readonly run: (...inputs: Operand[]) => Tensor;
}
const ids = () => tensor([2, 0, 2, 4], [2, 2], "int32");

const CASES: Readonly<Record<string, Case>> = {
  linear: { shapes: [[2, 3, 5], [7, 5], [7]], run: (x, w, b) => linear(x as never, w as never, b as never) },
  "linear without bias": {
    shapes: [
      [6, 5],
      [7, 5],
    ],
    run: (x, w) => linear(x as never, w as never),
  },
  gatherRows: { shapes: [[5, 6]], run: (t) => gatherRows(t as never, ids()) },
  replaceRows: {
    shapes: [
      [6, 5],
      [2, 5],
    ],
    run: (x, v) => replaceRows(x as never, tensor([4, 1], [2], "int32") as Tensor1D, v as never),
  },
  residual: {
    shapes: [
      [3, 7],
      [3, 7],
    ],
    run: (x, y) => residual(x, y),
  },
  view: { shapes: [[3, 8]], run: (x) => view(x, [2, 3, 4]) },
  rmsNorm: { shapes: [[2, 3, 7], [7]], run: (x, w) => rmsNorm(x as never, w as never) },
  layerNorm: { shapes: [[2, 3, 7], [7], [7]], run: (x, w, b) => layerNorm(x as never, w as never, b as never) },
  rope: { shapes: [[2, 3, 2, 6]], run: (x) => rope(x as never, ropeTables({ positions: 3, headDim: 6, theta: 100 })) },
  swiglu: {
    shapes: [
      [3, 7],
      [3, 7],
    ],
    run: (a, b) => swiglu(a as never, b as never),
  },
  gelu: { shapes: [[3, 7]], run: (x) => gelu(x as never) },
  "gelu tanh": { shapes: [[3, 7]], run: (x) => gelu(x as never, { approximate: "tanh" }) },
  "gelu quick": { shapes: [[3, 7]], run: (x) => gelu(x as never, { approximate: "quick" }) },
  "causal grouped attention": {
    shapes: [
      [2, 5, 4, 6],
      [2, 5, 2, 6],
      [2, 5, 2, 6],
    ],
    run: (q, k, v) => attention({ query: q as never, key: k as never, value: v as never, causal: true }),
  },
  "full attention with a key mask": {
    shapes: [
      [2, 5, 2, 3],
      [2, 5, 2, 3],
      [2, 5, 2, 3],
    ],
    run: (q, k, v) =>
      attention({
        query: q as never,
        key: k as never,
        value: v as never,
        causal: false,
        keyMask: tensor([1, 1, 1, 0, 0, 0, 1, 1, 1, 1], [2, 5]) as Tensor2D,
      }),
  },
  "attention of the last positions": {
    shapes: [
      [2, 2, 4, 6],
      [2, 5, 1, 6],
      [2, 5, 1, 6],
    ],
    run: (q, k, v) => attention({ query: q as never, key: k as never, value: v as never, causal: true }),
  },
};

describe.each(engines)("neural operations on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it.each(Object.entries(CASES))("%s has the gradient of central differences", async (_, { shapes, run }) => {
    const inputs = shapes.map((shape, i) => random(i + 1, ...shape));
    const probe = tidy(() => random(99, ...run(...inputs).shape));
    const value = (...x: Tensor[]): Promise<number> => sumOf(() => mul(run(...x), probe));
    const gradients = grads((...x: Tensor[]) => sum(mul(run(...x), probe)) as never)(inputs);
    for (const [i, gradient] of gradients.entries()) {
      const data = await valuesOf(inputs[i] as Tensor);
      const got = await valuesOf(gradient);
      for (let j = 0; j < data.length; j += Math.ceil(data.length / 12)) {
        const moved = (by: number): Promise<number> => {
          const changed = Float32Array.from(data);
          changed[j] = (changed[j] as number) + by;
          return value(...inputs.map((x, n) => (n === i ? tensor(changed, x.shape) : x)));
        };
        // float32 forward: a step of 1e-2 leaves about 1e-3 of error in the difference
        expect(got[j]).toBeCloseTo(((await moved(1e-2)) - (await moved(-1e-2))) / 2e-2, 1.8);
      }
    }
  });

  it.each(Object.entries(CASES))(
    "%s gives a constant operand no gradient and the others the same",
    async (_, { shapes, run }) => {
      if (shapes.length < 2) return;
      const inputs = shapes.map((shape, i) => random(i + 1, ...shape));
      const all = grads((...x: Tensor[]) => sum(run(...x)) as never)(inputs);
      const first = grads((x: Tensor) => sum(run(x, ...inputs.slice(1).map(constant))) as never)([inputs[0] as Tensor]);
      expect(first).toHaveLength(1);
      const [a, b] = [await valuesOf(all[0] as Tensor), await valuesOf(first[0] as Tensor)];
      for (const [i, x] of a.entries()) expect(b[i]).toBeCloseTo(x, 5);
    },
  );

  it("takes no rows, and loses nothing else to it", async () => {
    const weight = random(1, 5, 4);
    const kept = mul(weight, 2); // webgpu sends it to the device together with the next
    const [dx, dw] = grads((x: Tensor, w: Tensor) => sum(linear(x, w as Tensor2D)))([zeros([0, 4]), weight]);
    expect(dx?.shape).toEqual([0, 4]);
    expect(await valuesOf(dw as Tensor)).toEqual(new Float32Array(20));
    const none = tensor([], [0], "int32") as Tensor1D;
    const same = replaceRows(weight as Tensor2D, none, zeros([0, 4]) as Tensor2D);
    expect(await valuesOf(same)).toEqual(await valuesOf(weight));
    expect(await valuesOf(kept)).toEqual((await valuesOf(weight)).map((x) => 2 * x));
  });

  it.each(Object.entries(CASES))("%s frees everything but its results", (_, { shapes, run }) => {
    const inputs = shapes.map((shape, i) => random(i + 1, ...shape));
    tidy(() => {
      run(...inputs);
    });
    const before = memory().numTensors;
    const made = tidy(() => grads((...x: Tensor[]) => sum(run(...x)) as never)(inputs));
    expect(memory().numTensors).toBe(before + made.length);
  });
});

/** Sum in float64: tfjs sums one after another in float32. */
async function sumOf(make: () => Tensor): Promise<number> {
  let total = 0;
  for (const x of await valuesOf(make)) total += x;
  return total;
}

it.each(engines.filter((engine) => engine !== "cpu"))("%s equals the portable compositions on cpu", async (other) => {
  const results: Record<string, Float32Array[]> = {};
  for (const engine of ["cpu", other] as const) {
    await useBackend({ engine, blas: false });
    for (const [name, { shapes, run }] of Object.entries(CASES)) {
      const inputs = shapes.map((shape, i) => random(i + 1, ...shape));
      const probe = random(7, ...run(...inputs).shape);
      const values = [run(...inputs), ...grads((...x: Tensor[]) => sum(mul(run(...x), probe)) as never)(inputs)];
      const data = await Promise.all(values.map(valuesOf));
      if (engine === "cpu") results[name] = data;
      else
        for (const [i, expected] of (results[name] as Float32Array[]).entries())
          for (const [j, x] of expected.entries()) expect(data[i]?.[j], `${name} ${i} ${j}`).toBeCloseTo(x, 4);
    }
  }
});
