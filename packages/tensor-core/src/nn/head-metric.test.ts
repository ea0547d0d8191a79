import { profile } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../test/engines.ts";
import { random } from "../../test/tensors.ts";
import {
  constant,
  createRng,
  grads,
  halfOf,
  halfTensor,
  matMul,
  memory,
  mul,
  reshape,
  selectRows,
  spanGrams,
  sum,
  type Tensor,
  type Tensor2D,
  tensor,
  tidy,
  useBackend,
} from "../index.ts";
import { throughHead } from "./head-metric.ts";

/** Numbers of about ±1.5 in 16 bits, whose mean is far from 0. */
const half = (seed: number, ...shape: [number, number]): Tensor2D => {
  const rng = createRng(seed);
  const words = Uint16Array.from(
    { length: shape[0] * shape[1] },
    () => ((rng.int(4) === 0 ? 1 : 0) << 15) | (127 << 7) | rng.int(128),
  );
  return halfTensor({ format: "bf16", words, shape }) as Tensor2D;
};
const close = (got: Tensor, want: Tensor): void => {
  const [a, b] = [got.dataSync(), want.dataSync()];
  expect(got.shape).toEqual(want.shape);
  const largest = (b as Float32Array).reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  for (const [i, x] of a.entries()) expect(Math.abs(x - (b[i] as number))).toBeLessThanOrEqual(2e-5 * largest);
};

describe.each(syncEngines)("heads of Gram matrices on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  // multiplications: 2·N·V·D through the logits, D²·(V + N) through WᵀW
  it.runIf(engine === "cpu").each([
    [6, 60, 11, "logits"],
    [7, 60, 11, "WᵀW"],
    [40, 60, 11, "WᵀW"],
    [1, 4, 5, "logits"],
    [3, 6, 4, "WᵀW"], // as many
  ])("%i rows of a head [%i, %i] go the way of fewer multiplications: %s", async (n, v, d, way) => {
    const [hidden, head] = [random(1, n, d), random(2, v, d)];
    const { kernels } = await profile(() => throughHead(hidden, head, undefined));
    const shapes = kernels.filter(({ name }) => /MatMul/.test(name)).map(({ outputShapes }) => outputShapes[0]);
    expect(shapes[0]).toEqual(way === "logits" ? [n, v] : [d, d]);
    expect(shapes[1]).toEqual([n, d]);
    tidy(() => close(throughHead(hidden, head, undefined), matMul(matMul(hidden, head, false, true), head)));
  });

  // a head of more than 4 Mi numbers is widened a slice at a time
  it.each([
    [1, 2_100_001],
    [3, 2_100_001],
  ])("%i rows (few, many) through %i in 16 bits are as through float32", (n, v) => {
    const head = half(3, v, 2);
    const wide = tensor(head.dataSync(), head.shape) as Tensor2D;
    const [hidden, probe] = [random(4, n, 2), reshape(random(5, n, n), [n * n])];
    const before = memory().numTensors;
    for (const centreVocabulary of [false, true]) {
      const run = (head: Tensor2D) =>
        tidy(() => {
          const of = (h: Tensor) =>
            spanGrams({ hidden: h as Tensor2D, head: constant(head) }, [n], { centreVocabulary });
          return [of(hidden), grads((h: Tensor) => sum(mul(of(h), probe)))([hidden])[0] as Tensor];
        });
      const [got, want] = [run(head), run(wide)];
      for (const [i, t] of got.entries()) close(t, want[i] as Tensor);
      for (const t of [...got, ...want]) t.dispose();
      expect(memory().numTensors).toBe(before);
    }
    expect(halfOf(head)).toBeDefined();
    for (const t of [head, wide, hidden, probe]) t.dispose();
  });

  it("rows of 16 bits are picked, and widened", () => {
    const table = half(6, 4, 3);
    const [a, b] = [selectRows(table, Int32Array.of(2, 0, 2)), table.dataSync()];
    expect(a.arraySync()).toEqual([2, 0, 2].map((r) => [...b.slice(3 * r, 3 * r + 3)]));
    expect(halfOf(table)).toBeDefined();
  });
});
