import { describe, expect, it } from "vitest";
import { random } from "../../test/tensors.ts";
import {
  adamWStep,
  attention,
  gatherRows,
  gelu,
  grads,
  layerNorm,
  linear,
  memory,
  mul,
  replaceRows,
  rmsNorm,
  rope,
  ropeTables,
  rowLosses,
  sum,
  sumOfSquares,
  swiglu,
  type Tensor,
  type Tensor1D,
  tensor,
  tidy,
  topKRows,
  useBackend,
  variable,
  zerosLike,
} from "../index.ts";

// Large enough for every kernel to be cut into chunks, with sizes that no chunk divides.
const ids = (count: number, below: number): Tensor1D =>
  tensor(
    Int32Array.from({ length: count }, (_, i) => (i * 7919) % below),
    [count],
    "int32",
  ) as Tensor1D;

const CASES: Readonly<Record<string, { shapes: number[][]; run: (...x: never[]) => Tensor }>> = {
  linear: { shapes: [[333, 129], [171, 129], [171]], run: (x, w, b) => linear(x, w, b) },
  "linear, wide": { shapes: [[19, 129], [1711, 129], [1711]], run: (x, w, b) => linear(x, w, b) },
  gatherRows: { shapes: [[301, 131]], run: (table) => gatherRows(table, ids(1001, 301)) },
  replaceRows: {
    shapes: [
      [777, 131],
      [301, 131],
    ],
    run: (x, v) => replaceRows(x, ids(301, 777), v),
  },
  rmsNorm: { shapes: [[701, 131], [131]], run: (x, w) => rmsNorm(x, w) },
  layerNorm: { shapes: [[701, 131], [131], [131]], run: (x, w, b) => layerNorm(x, w, b) },
  rope: {
    shapes: [[3, 101, 7, 30]],
    run: (x) => rope(x, ropeTables({ positions: 101, headDim: 30, theta: 100 })),
  },
  swiglu: {
    shapes: [
      [501, 131],
      [501, 131],
    ],
    run: (a, b) => swiglu(a, b),
  },
  gelu: { shapes: [[501, 131]], run: (x) => gelu(x) },
  attention: {
    shapes: [
      [3, 101, 6, 10],
      [3, 101, 3, 10],
      [3, 101, 3, 10],
    ],
    run: (query, key, value) => attention({ query, key, value, causal: true }),
  },
  rowLosses: {
    shapes: [
      [301, 33],
      [511, 33],
    ],
    run: (hidden, head) => {
      const teacher = { hidden: random(8, 301, 20), head: random(9, 517, 20) };
      return rowLosses({ student: { hidden, head }, teacher, labels: ids(301, 511), chunkSize: 256 } as never).loss;
    },
  },
  "rowLosses, a mixture": {
    shapes: [[301, 511]],
    run: (student) => {
      const teacher = random(8, 301, 517);
      return rowLosses({ student, teacher, divergence: { kind: "jsd", beta: 0.3 } } as never).loss;
    },
  },
  "rowLosses, top-k rows": {
    shapes: [[301, 511]],
    run: (student) => {
      const teacher = topKRows(random(8, 301, 511), 7);
      return rowLosses({ student, teacher, labels: ids(301, 511) } as never).loss;
    },
  },
};

async function valueAndGradients(name: string, threads: number): Promise<Float32Array[]> {
  await useBackend({ engine: "wasm", blas: false, threads });
  const { shapes, run } = CASES[name] as (typeof CASES)[string];
  const before = memory().numTensors;
  const results = tidy(() => {
    const inputs = shapes.map((shape, i) => random(i + 1, ...shape));
    const value = run(...(inputs as never[]));
    const weight = random(7, ...value.shape);
    const gradients = grads((...x) => sum(mul(run(...(x as never[])), weight)))(inputs);
    return [value, ...gradients].map((t) => t.dataSync() as Float32Array);
  });
  expect(memory().numTensors).toBe(before);
  return results;
}

function expectNear(got: readonly Float32Array[], want: readonly Float32Array[]): void {
  for (const [i, values] of want.entries()) {
    const scale = values.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
    const worst = values.reduce((max, x, j) => Math.max(max, Math.abs(x - (got[i]?.[j] as number))), 0);
    expect(worst / scale, `output ${i}`).toBeLessThan(2e-6); // sums in another order
  }
}

describe("three threads give what one gives", () => {
  it.each(Object.keys(CASES))("%s and its gradients, the same bits each time", async (name) => {
    const one = await valueAndGradients(name, 1);
    const three = await valueAndGradients(name, 3);
    expectNear(three, one);
    expect(await valueAndGradients(name, 3)).toEqual(three);
  });

  it("AdamW and the norm over many parameters", async () => {
    const step = async (threads: number): Promise<Float32Array[]> => {
      await useBackend({ engine: "wasm", blas: false, threads });
      const params = [[501, 131], [3], [1], [777, 50]].map((shape, i) => variable(random(i + 1, ...shape)));
      const grads = params.map(({ shape }, i) => random(i + 20, ...shape));
      const [m, v] = [params.map((p) => zerosLike(p)), params.map((p) => zerosLike(p))] as [Tensor[], Tensor[]];
      const rates = { lr: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, step: 1 };
      adamWStep({ params, grads, m, v, ...rates, weightDecay: [0.1, 0, 0.2, 0] });
      return [...params, ...m, ...v, sumOfSquares(grads)].map((t) => t.dataSync() as Float32Array);
    };
    expectNear(await step(3), await step(1));
  });
});
