import type { TokenBatch } from "@kd/contract";
import { memory, useBackend } from "@kd/tensor-core";
import { beforeAll, expect, it } from "vitest";
import { oneEngine } from "../../tensor-core/test/engines.ts";
import { tinyBatch, tinyLlava, tinyPixels } from "../test/tiny-llava.ts";
import { generate, generateStream, type Llava } from "./index.ts";

let model: Llava;
beforeAll(async () => {
  await useBackend({ engine: oneEngine("wasm"), blas: false });
  model = await tinyLlava();
});

/** Three prompts of 6, 5 and 2 tokens, images in the first two; padded on either side. */
function threePrompts(side: "left" | "right"): TokenBatch {
  const rows = [
    [19, 19, 19, 19, 3, 4],
    [7, 19, 19, 19, 19],
    [8, 9],
  ];
  const padded = rows.map((row) => {
    const padding = new Array(6 - row.length).fill(0);
    return side === "left" ? [...padding, ...row] : [...row, ...padding];
  });
  const start = side === "left" ? 2 : 1;
  return {
    inputIds: Int32Array.from(padded.flat()),
    labels: new Int32Array(18).fill(-100),
    attentionMask: Uint8Array.from(padded.flat(), (id) => (id === 0 ? 0 : 1)),
    shape: [3, 6],
    imageSpans: [
      { sample: 0, start: 0, length: 4, image: 0 },
      { sample: 1, start, length: 4, image: 1 },
    ],
    images: tinyPixels(2),
  };
}

it("gives each sample of a padded batch what it gives alone", async () => {
  const right = threePrompts("right");
  const options = { maxNewTokens: 5, repetitionPenalty: 1.1 };
  const before = memory().numTensors;
  const answers = await generate(model, right, options);
  expect(await generate(model, threePrompts("left"), options)).toEqual(answers);
  expect(memory().numTensors).toBe(before);
  const lengths = [6, 5, 2];
  for (const [row, length] of lengths.entries()) {
    const alone: TokenBatch = {
      inputIds: right.inputIds.slice(6 * row, 6 * row + length),
      labels: right.labels.slice(0, length),
      attentionMask: new Uint8Array(length).fill(1),
      shape: [1, length],
      imageSpans: right.imageSpans.filter(({ sample }) => sample === row).map((span) => ({ ...span, sample: 0 })),
      ...(right.images === undefined ? {} : { images: right.images }),
    };
    expect(await generate(model, alone, options)).toEqual([answers[row]]);
  }
});

it("yields step by step, and frees everything when nobody reads on", async () => {
  const [whole = []] = await generate(model, tinyBatch(), { maxNewTokens: 4 });
  const before = memory().numTensors;
  const seen: unknown[] = [];
  for await (const step of generateStream(model, tinyBatch(), { maxNewTokens: 4 })) {
    seen.push(...step);
    if (seen.length === 2) break;
  }
  expect(seen).toEqual(whole.slice(0, 2));
  expect(memory().numTensors).toBe(before);
});

it("takes ends, seeds and stops", async () => {
  const [whole = []] = await generate(model, tinyBatch(), { maxNewTokens: 4 });
  const drawn = (seed: number) => generate(model, tinyBatch(), { maxNewTokens: 12, temperature: 3, seed });
  expect(await drawn(3)).toEqual(await drawn(3));
  expect(await drawn(3)).not.toEqual(await drawn(4));
  const stopped = await generate(model, tinyBatch(), { maxNewTokens: 4, stopWhen: (ids) => ids.length === 3 });
  expect(stopped).toEqual([whole.slice(0, 3)]);
  const end = whole[1] as number;
  expect(await generate(model, tinyBatch(), { maxNewTokens: 4, eosTokenIds: end })).toEqual([
    whole.slice(0, whole.indexOf(end)),
  ]);
});

it("names a sample without a token", async () => {
  const batch = { ...threePrompts("right"), attentionMask: new Uint8Array(18).fill(1, 0, 12) };
  await expect(generate(model, batch, { maxNewTokens: 1 })).rejects.toThrow(/row 2 must have a token/);
});
