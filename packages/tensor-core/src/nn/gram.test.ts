import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../test/engines.ts";
import { random } from "../../test/tensors.ts";
import {
  add,
  constant,
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

const close = (got: Tensor, want: Tensor): void => {
  const [a, b] = [got.dataSync(), want.dataSync()];
  expect(got.shape).toEqual(want.shape);
  for (const [i, x] of a.entries()) expect(x).toBeCloseTo(b[i] as number, 3);
};

describe.each(syncEngines)("spanGrams on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("is Z·Zᵀ of every span", () => {
    const z = random(1, 5, 3);
    const rows = z.arraySync();
    const gram = (from: number, to: number) =>
      rows
        .slice(from, to)
        .flatMap((a) => rows.slice(from, to).map((b) => a.reduce((s, x, i) => s + x * (b[i] as number), 0)));
    const expected = [...gram(0, 2), ...gram(2, 5)];
    const got = spanGrams(z, [2, 0, 3]).dataSync();
    expect(got).toHaveLength(13);
    for (const [i, x] of expected.entries()) expect(got[i]).toBeCloseTo(x, 4);
  });

  it("takes each row minus its mean over the vocabulary", () => {
    const z = random(1, 5, 3).arraySync();
    const centred = z.map((row) => row.map((x) => x - row.reduce((a, b) => a + b, 0) / 3));
    const shifted = tensor(
      z.flatMap((row, i) => row.map((x) => x + 10 * i)),
      [5, 3],
    ) as Tensor2D; // what softmax does not see
    close(
      spanGrams(shifted, [2, 3], { centreVocabulary: true }),
      spanGrams(tensor(centred.flat(), [5, 3]) as Tensor2D, [2, 3]),
    );
  });

  // few rows take the way through logits (in two slices of the vocabulary), many the way through WᵀW
  it.each([
    [3, 4100, 11, false],
    [3, 4100, 11, true],
    [9, 7, 4, false],
    [9, 7, 4, true],
  ])(
    "gives %i rows through a head [%i, %i] the value and gradients of dense logits (centred: %s)",
    (n, v, d, centre) => {
      const centred = { centreVocabulary: centre };
      const [hidden, head] = [random(1, n, d), add(mul(random(2, v, d), v ** -0.5), 0.01) as Tensor2D];
      const lengths = [2, n - 2];
      const probe = random(3, 4 + (n - 2) ** 2);
      const logits = matMul(hidden, head, false, true) as Tensor2D;
      close(spanGrams({ hidden, head }, lengths, centred), spanGrams(logits, lengths, centred));
      const [dense] = grads((z: Tensor) => sum(mul(spanGrams(z as Tensor2D, lengths, centred), probe)))([logits]) as [
        Tensor2D,
      ];
      const [dHidden, dHead] = grads((h: Tensor, w: Tensor) =>
        sum(mul(spanGrams({ hidden: h as Tensor2D, head: w as Tensor2D }, lengths, centred), probe)),
      )([hidden, head]) as [Tensor, Tensor];
      close(dHidden, matMul(dense, head));
      close(dHead, matMul(dense, hidden, true, false));
      const frozen = grads((h: Tensor) =>
        sum(mul(spanGrams({ hidden: h as Tensor2D, head: constant(head) }, lengths, centred), probe)),
      );
      close(frozen([hidden])[0] as Tensor, dHidden);
    },
  );

  it.each([false, true])("has the gradient of central differences (centred: %s)", (centreVocabulary) => {
    const [z, probe] = [random(1, 4, 3), random(2, 10)];
    const value = (x: Tensor) => sum(mul(spanGrams(x as Tensor2D, [1, 3], { centreVocabulary }), probe));
    const got = (grads(value)([z])[0] as Tensor).dataSync();
    const data = z.dataSync();
    for (const j of data.keys()) {
      const moved = (by: number) =>
        value(
          tensor(
            data.map((x, i) => (i === j ? x + by : x)),
            [4, 3],
          ),
        ).dataSync()[0] as number;
      expect(got[j]).toBeCloseTo((moved(1e-2) - moved(-1e-2)) / 2e-2, 2);
    }
  });

  it("takes no spans", () => {
    expect(spanGrams(random(1, 0, 3), []).shape).toEqual([0]);
    expect(spanGrams({ hidden: random(1, 0, 3), head: random(1, 5, 3) }, []).shape).toEqual([0]);
    for (const rows of [random(1, 0, 3), { hidden: random(1, 0, 3), head: random(1, 5, 3) }])
      expect(spanGrams(rows, [], { centreVocabulary: true }).shape).toEqual([0]);
    const [gradient] = grads((z: Tensor) => sum(spanGrams(z as Tensor2D, [])))([random(1, 0, 3)]);
    expect(gradient?.shape).toEqual([0, 3]);
  });

  it("names lengths that do not add up", () => {
    expect(() => spanGrams(random(1, 4, 3), [2, 1])).toThrow(/spanGrams: lengths .* 4 rows, got 3 of 2 spans/);
    expect(() => spanGrams(random(1, 4, 3), [5, -1])).toThrow(/spanGrams: lengths/);
  });

  it("frees everything but its results", () => {
    const [hidden, head] = [random(1, 3, 11), random(2, 41, 11)];
    const centred = { centreVocabulary: true };
    tidy(() => void spanGrams({ hidden, head }, [3]));
    const before = memory().numTensors;
    spanGrams({ hidden, head }, [3]).dispose();
    spanGrams({ hidden, head }, [3], centred).dispose();
    spanGrams(hidden, [3], centred).dispose();
    expect(memory().numTensors).toBe(before);
    const made = grads((h: Tensor, w: Tensor) =>
      sum(spanGrams({ hidden: h as Tensor2D, head: w as Tensor2D }, [3], centred)),
    )([hidden, head]);
    expect(memory().numTensors).toBe(before + made.length);
  });
});
