import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../test/engines.ts";
import { random as randomTensor } from "../../test/tensors.ts";
import {
  attention,
  attentionMaps,
  grads,
  memory,
  mul,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  tensor,
  tidy,
  useBackend,
} from "../index.ts";

const random = randomTensor<Tensor4D>;
const [B, T, H, KV, D] = [2, 4, 4, 2, 3];

/** The definition in float64. */
function reference(query: Tensor4D, key: Tensor4D, mask?: number[][]): number[] {
  const [q, k] = [query.arraySync(), key.arraySync()];
  const out: number[] = [];
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < T; i++) {
        const row = Array.from({ length: T }, (_, j) => {
          if (j > i || mask?.[b]?.[j] === 0) return 0;
          const product =
            q[b]?.[i]?.[h]?.reduce((s, x, d) => s + x * (k[b]?.[j]?.[((h * KV) / H) | 0]?.[d] ?? 0), 0) ?? 0;
          return Math.exp(product / Math.sqrt(D));
        });
        const total = row.reduce((a, x) => a + x, 0);
        out.push(...row.map((x) => x / total));
      }
  return out;
}

describe.each(syncEngines)("attentionMaps on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });
  const [query, key] = [() => random(1, B, T, H, D), () => random(2, B, T, KV, D)];

  it.each([
    undefined,
    [
      [1, 1, 1, 1],
      [1, 0, 1, 1],
    ],
  ])("is the definition in float64, mask %j", (mask) => {
    const [q, k] = [query(), key()];
    const maps = attentionMaps({
      query: q,
      key: k,
      causal: true,
      ...(mask ? { keyMask: tensor(mask) as Tensor2D } : {}),
    });
    expect(maps.shape).toEqual([B, H, T, T]);
    const got = maps.dataSync();
    for (const [i, x] of reference(q, k, mask).entries()) expect(got[i]).toBeCloseTo(x, 5);
  });

  it("is what attention averages with, and has its gradients", () => {
    const [q, k, v, dy] = [query(), key(), random(3, B, T, KV, D), random(4, B, T, H, D)];
    const loss = (q: Tensor, k: Tensor) =>
      sum(mul(attention({ query: q as Tensor4D, key: k as Tensor4D, value: v, causal: true }), dy));
    // Σ dy·(P·V) = Σ P·(dy·Vᵀ)
    const weights = tidy(() => {
      const [d, values] = [dy.arraySync(), v.arraySync()];
      return tensor(
        Array.from({ length: B }, (_, b) =>
          Array.from({ length: H }, (_, h) =>
            Array.from({ length: T }, (_, i) =>
              Array.from({ length: T }, (_, j) =>
                (d[b]?.[i]?.[h] ?? []).reduce((s, x, e) => s + x * (values[b]?.[j]?.[((h * KV) / H) | 0]?.[e] ?? 0), 0),
              ),
            ),
          ),
        ),
      );
    });
    const viaMaps = (q: Tensor, k: Tensor) =>
      sum(mul(attentionMaps({ query: q as Tensor4D, key: k as Tensor4D, causal: true }), weights));
    const [a, b] = [grads(loss)([q, k]), grads(viaMaps)([q, k])];
    for (const [i, g] of a.entries()) {
      const [x, y] = [g.dataSync(), (b[i] as Tensor).dataSync()];
      for (const [j, value] of x.entries()) expect(y[j]).toBeCloseTo(value, 4);
    }
  });

  it("names wrong shapes and frees everything but its results", () => {
    const [q, k] = [query(), key()];
    expect(() => attentionMaps({ query: q, key: random(2, B, T, 3, D), causal: true })).toThrow(
      /key and value must be/,
    );
    const before = memory().numTensors;
    attentionMaps({ query: q, key: k, causal: true }).dispose();
    for (const g of grads((q: Tensor, k: Tensor) =>
      sum(attentionMaps({ query: q as Tensor4D, key: k as Tensor4D, causal: true })),
    )([q, k]))
      g.dispose();
    expect(memory().numTensors).toBe(before);
  });
});
