import { beforeAll, describe, expect, it } from "vitest";
import { engines, numberOf, valuesOf } from "../../test/engines.ts";
import {
  constant,
  createRng,
  grads,
  matMul,
  memory,
  mul,
  spanGrams,
  sum,
  type Tensor,
  type Tensor2D,
  tensor,
  tidy,
  useBackend,
} from "../index.ts";

const random = (seed: number, ...shape: [number, ...number[]]): Tensor2D => {
  const rng = createRng(seed);
  return tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
    shape as [number, number],
  );
};
const close = async (got: Tensor, want: Tensor): Promise<void> => {
  const [a, b] = [await valuesOf(got), await valuesOf(want)];
  expect(got.shape).toEqual(want.shape);
  for (const [i, x] of a.entries()) expect(x).toBeCloseTo(b[i] as number, 3);
};

describe.each(engines)("spanGrams on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("is Z·Zᵀ of every span", async () => {
    const z = random(1, 5, 3);
    const rows = await z.array();
    const gram = (from: number, to: number) =>
      rows
        .slice(from, to)
        .flatMap((a) => rows.slice(from, to).map((b) => a.reduce((s, x, i) => s + x * (b[i] as number), 0)));
    const expected = [...gram(0, 2), ...gram(2, 5)];
    const got = await valuesOf(spanGrams(z, [2, 0, 3]));
    expect(got).toHaveLength(13);
    for (const [i, x] of expected.entries()) expect(got[i]).toBeCloseTo(x, 4);
  });

  // few rows take the way through logits (in two slices of the vocabulary), many the way through WᵀW
  it.each([
    [3, 4100, 11],
    [9, 7, 4],
  ])("gives %i rows through a head [%i, %i] the value and gradients of dense logits", async (n, v, d) => {
    const [hidden, head] = [random(1, n, d), mul(random(2, v, d), v ** -0.5) as Tensor2D];
    const lengths = [2, n - 2];
    const probe = random(3, 4 + (n - 2) ** 2);
    const logits = matMul(hidden, head, false, true) as Tensor2D;
    await close(spanGrams({ hidden, head }, lengths), spanGrams(logits, lengths));
    const [dense] = grads((z: Tensor) => sum(mul(spanGrams(z as Tensor2D, lengths), probe)))([logits]) as [Tensor2D];
    const [dHidden, dHead] = grads((h: Tensor, w: Tensor) =>
      sum(mul(spanGrams({ hidden: h as Tensor2D, head: w as Tensor2D }, lengths), probe)),
    )([hidden, head]) as [Tensor, Tensor];
    await close(dHidden, matMul(dense, head));
    await close(dHead, matMul(dense, hidden, true, false));
    const frozen = grads((h: Tensor) =>
      sum(mul(spanGrams({ hidden: h as Tensor2D, head: constant(head) }, lengths), probe)),
    );
    await close(frozen([hidden])[0] as Tensor, dHidden);
  });

  it("has the gradient of central differences", async () => {
    const [z, probe] = [random(1, 4, 3), random(2, 10)];
    const value = (x: Tensor) => sum(mul(spanGrams(x as Tensor2D, [1, 3]), probe));
    const got = await valuesOf(grads(value)([z])[0] as Tensor);
    const data = await valuesOf(z);
    for (const j of data.keys()) {
      const moved = (by: number) =>
        numberOf(
          value(
            tensor(
              data.map((x, i) => (i === j ? x + by : x)),
              [4, 3],
            ),
          ),
        );
      expect(got[j]).toBeCloseTo(((await moved(1e-2)) - (await moved(-1e-2))) / 2e-2, 2);
    }
  });

  it("takes no spans", () => {
    expect(spanGrams(random(1, 0, 3), []).shape).toEqual([0]);
    expect(spanGrams({ hidden: random(1, 0, 3), head: random(1, 5, 3) }, []).shape).toEqual([0]);
    const [gradient] = grads((z: Tensor) => sum(spanGrams(z as Tensor2D, [])))([random(1, 0, 3)]);
    expect(gradient?.shape).toEqual([0, 3]);
  });

  it("names lengths that do not add up", () => {
    expect(() => spanGrams(random(1, 4, 3), [2, 1])).toThrow(/spanGrams: lengths .* 4 rows, got 3 of 2 spans/);
    expect(() => spanGrams(random(1, 4, 3), [5, -1])).toThrow(/spanGrams: lengths/);
  });

  it("frees everything but its results", () => {
    const [hidden, head] = [random(1, 3, 11), random(2, 41, 11)];
    tidy(() => void spanGrams({ hidden, head }, [3]));
    const before = memory().numTensors;
    spanGrams({ hidden, head }, [3]).dispose();
    expect(memory().numTensors).toBe(before);
    const made = grads((h: Tensor, w: Tensor) => sum(spanGrams({ hidden: h as Tensor2D, head: w as Tensor2D }, [3])))([
      hidden,
      head,
    ]);
    expect(memory().numTensors).toBe(before + made.length);
  });
});
