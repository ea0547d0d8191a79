import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageBatch } from "@kd/contract";
import { contentHash, keyHash } from "@kd/disk-cache/node";
import { gatherRows, memory, reshape, rowLosses, type Tensor2D, tensor1d, useBackend } from "@kd/tensor-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { engines, numberOf } from "../../../tensor-core/test/engines.ts";
import { tinyBatch, tinyConfig, tinyLlava, tinyPixels } from "../../test/tiny-llava.ts";
import { computeFeatures, createFeatureCache, createLlava, type Llava, modelHash } from "../index.ts";
import { cacheFeatures, type ImageToCache, openDiskFeatures } from "./index.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kd-features-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const SIZE = 8 * 8 * 3;
const pixels = tinyPixels(5).data;
let asked = 0;
const images = (count: number): ImageToCache[] =>
  Array.from({ length: count }, (_, i) => {
    const data = pixels.subarray(i * SIZE, (i + 1) * SIZE);
    const pixelsOf = () => {
      asked++;
      return data;
    };
    return { key: contentHash([data]), pixels: pixelsOf };
  });
const keys = images(5).map(({ key }) => key);

async function fill(model: Llava, count = 5, stopAfter = Number.POSITIVE_INFINITY): Promise<number[][]> {
  const cache = openDiskFeatures(folder, { tower: model.tower });
  const seen: number[][] = [];
  for await (const { images: done, computed } of cacheFeatures({
    cache,
    model,
    images: images(count),
    shape: [8, 8, 3],
    chunk: 2,
  })) {
    seen.push([done, computed]);
    if (seen.length === stopAfter) break;
  }
  cache.close();
  return seen;
}

/** Cross-entropy of the tiny batch's only supervised row. */
const lossWith = (model: Llava, images: ImageBatch): Promise<number> =>
  numberOf(() => {
    const { hidden } = model.forward({ ...tinyBatch(), images });
    const row = gatherRows(reshape(hidden, [-1, 8]) as Tensor2D, tensor1d([4], "int32")) as Tensor2D;
    return rowLosses({ student: { hidden: row, head: model.head }, labels: tensor1d([4], "int32") }).loss;
  });

describe.each(engines)("on %s", (engine) => {
  it("give the tower's features to 16 bits, and the loss that pixels give to 1e-3", async () => {
    await useBackend({ engine, blas: false });
    const model = await tinyLlava();
    await fill(model);
    const before = memory().numTensors;
    const cache = openDiskFeatures(folder, { tower: model.tower });
    const kept = cache.batch(keys);
    const exact = await computeFeatures(model, tinyPixels(5));
    expect(kept.shape).toEqual(exact.shape);
    for (const [i, x] of exact.data.entries())
      expect(Math.abs((kept.data[i] as number) - x)).toBeLessThanOrEqual(Math.abs(x) / 1024 + 1e-6);
    const [online, offline] = [
      await lossWith(model, tinyPixels()),
      await lossWith(model, cache.batch(keys.slice(0, 1))),
    ];
    expect(Math.abs(offline - online)).toBeLessThan(1e-3);
    expect(memory().numTensors).toBe(before);
    cache.close();
  });
});

describe("the folder", () => {
  beforeEach(async () => {
    await useBackend({ engine: engines.includes("wasm") ? "wasm" : (engines[0] as "cpu"), blas: false });
  });

  it("is filled once, goes on after a stop, and computes a picture again that was damaged", async () => {
    const model = await tinyLlava();
    asked = 0;
    expect(await fill(model, 5, 1)).toEqual([[2, 2]]);
    expect(await fill(model)).toEqual([
      [2, 0],
      [4, 2],
      [5, 3],
    ]);
    expect(asked).toBe(5);
    expect(await fill(model)).toEqual([
      [2, 0],
      [4, 0],
      [5, 0],
    ]);
    const cache = openDiskFeatures(folder, { tower: model.tower });
    const whole = cache.batch(keys);
    expect(cache.find(keys[3] as string)).toEqual(cache.batch(keys.slice(3, 4)));
    expect(cache.find("another")).toBeUndefined();
    expect([...cache.hashes()].sort()).toEqual(keys.map((key) => keyHash(cache.prefix + key)).sort());
    expect(cache.size()).toEqual({ entries: 5, bytes: 5 * (20 + 4 * 8 * 2) });
    cache.close();

    const [first, second] = readdirSync(folder)
      .filter((name) => name.endsWith(".data"))
      .map((name) => join(folder, name)) as [string, string];
    const bytes = readFileSync(first);
    bytes[30] = (bytes[30] as number) ^ 8;
    writeFileSync(first, bytes);
    truncateSync(second, 90);
    const damaged = openDiskFeatures(folder, { tower: model.tower });
    expect(() => damaged.batch(keys)).toThrow(
      new RegExp(`no features of image "${keys[0]}"; fill it with cacheFeatures`),
    );
    expect(damaged.notices).toEqual([
      expect.stringMatching(/2 of its entries are not there$/),
      expect.stringMatching(/an entry at 0 is damaged and not used$/),
    ]);
    damaged.close();
    expect((await fill(model)).at(-1)).toEqual([5, 3]);
    const repaired = openDiskFeatures(folder, { tower: model.tower });
    expect(repaired.batch(keys).data).toEqual(whole.data);
    repaired.close();
  });

  it("never has another tower's, processor's or form's features", async () => {
    const model = await tinyLlava();
    await fill(model);
    const other = await tinyLlava(2);
    const { tower } = await createLlava({ config: tinyConfig, params: model.params, processor: "another mean" });
    for (const options of [{ tower: other.tower }, { tower }, { tower: model.tower, dtype: "F32" }] as const) {
      const cache = openDiskFeatures(folder, options);
      expect(cache.has(keys[0] as string)).toBe(false);
      cache.close();
    }
    const cache = openDiskFeatures(folder, { tower: model.tower });
    expect(cache.has(keys[0] as string)).toBe(true);
    expect(() => cache.add(["a"], { ...cache.batch(keys.slice(0, 1)), tower: other.tower })).toThrow(
      /holds features of tower/,
    );
    const memory = createFeatureCache(model.tower); // in front of it
    memory.add(keys, cache.batch(keys));
    expect(memory.batch(keys.slice(3)).data).toEqual(cache.batch(keys.slice(3)).data);
    cache.close();
  });

  it("names a picture of another size", async () => {
    const model = await tinyLlava();
    const cache = openDiskFeatures(folder, { tower: model.tower });
    const wrong = [{ key: "a.png", pixels: () => new Float32Array(3) }];
    const filling = cacheFeatures({ cache, model, images: wrong, shape: [8, 8, 3] });
    await expect(filling.next()).rejects.toThrow(/image "a.png" must be \[8, 8, 3\], 192 numbers, got 3/);
  });
});

it("tells models of other weights, configuration or tower apart", async () => {
  await useBackend({ engine: engines[0] as "cpu", blas: false });
  const [model, other] = [await tinyLlava(1), await tinyLlava(2)];
  const hash = await modelHash(model);
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(await modelHash(await tinyLlava(1))).toBe(hash);
  const processed = await createLlava({ config: tinyConfig, params: model.params, processor: "another mean" });
  const config = { ...tinyConfig, text_config: { ...tinyConfig.text_config, rope_theta: 5 } };
  const params = new Map(model.params);
  params.set("language_model.model.norm.weight", other.head);
  for (const changed of [other, processed, { ...model, config }, { ...model, params }])
    expect(await modelHash(changed as Llava)).not.toBe(hash);
});
