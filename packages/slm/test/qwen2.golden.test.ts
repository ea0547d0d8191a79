import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSafetensors, type StoredTensor, toFloat32, toInt32 } from "@kd/safetensors";
import { linear, memory, type Params, type Tensor, type Tensor2D, tensor, useBackend } from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { engines, tidyAsync, valuesOf } from "../../tensor-core/test/engines.ts";
import { embedTokens, greedyDecode, headName, parseQwen2Config, qwen2Outputs } from "../src/index.ts";

const root = join(process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data"), "models");
const read = (name: string): Map<string, StoredTensor> =>
  parseSafetensors(readFileSync(join(root, name)), name).tensors;
const prefix = "";

/** Largest difference on real positions, relative to the largest expected value. */
async function relativeError(got: Tensor, expected: StoredTensor, mask: Int32Array): Promise<number> {
  const [data, want] = [await valuesOf(got), toFloat32(expected)];
  const width = want.length / mask.length;
  let [worst, largest] = [0, 0];
  for (const [i, x] of want.entries()) {
    if (mask[Math.floor(i / width)] === 0) continue;
    worst = Math.max(worst, Math.abs((data[i] as number) - x));
    largest = Math.max(largest, Math.abs(x));
  }
  return worst / largest;
}

describe.each(engines)("Qwen2 on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it.each(["qwen2_tied", "qwen2_untied"])("%s: hidden states, logits and greedy continuation", async (name) => {
    const config = parseQwen2Config(JSON.parse(readFileSync(join(root, name, "config.json"), "utf8")));
    const params: Params = new Map(
      [...read(`${name}/model.safetensors`)].map(([key, t]) => [key, tensor(toFloat32(t), [...t.shape])]),
    );
    const expected = read(`expected/${name}.safetensors`);
    const stored = (key: string): StoredTensor => expected.get(key) ?? expect.fail(`no ${key}`);
    const shape = stored("input_ids").shape as unknown as [number, number];
    const [inputIds, mask] = [Int32Array.from(toInt32(stored("input_ids"))), toInt32(stored("attention_mask"))];
    const before = memory().numTensors;
    await tidyAsync(async () => {
      const embeddings = embedTokens({ config, params, inputIds, shape, prefix });
      const count = config.num_hidden_layers;
      const layers = Array.from({ length: count + 1 }, (_, i) => i);
      const { hidden, hiddenStates } = qwen2Outputs({ config, params, embeddings, prefix, hiddenStates: layers });
      for (const [layer, state] of (hiddenStates ?? []).entries())
        expect(
          await relativeError(state, stored(layer < count ? `hidden_states.${layer}` : "last_hidden_state"), mask),
        ).toBeLessThan(1e-5);
      expect(hiddenStates).toHaveLength(count + 1);
      expect(await relativeError(hidden, stored("last_hidden_state"), mask)).toBeLessThan(1e-5);
      const logits = linear(hidden, params.get(headName(config, prefix)) as Tensor2D);
      expect(await relativeError(logits, stored("logits"), mask)).toBeLessThan(1e-5);
    });
    const generated = toInt32(stored("generated"));
    const count = generated.length / shape[0];
    for (let row = 0; row < shape[0]; row++) {
      const real = mask.subarray(row * shape[1], (row + 1) * shape[1]).reduce((a, b) => a + b, 0);
      const prompt = inputIds.slice(row * shape[1], row * shape[1] + real);
      const embeddings = embedTokens({ config, params, inputIds: prompt, shape: [1, real], prefix });
      const ids = await greedyDecode({ config, params, embeddings, maxNewTokens: count, prefix });
      embeddings.dispose();
      expect(ids).toEqual([[...generated.subarray(row * count, (row + 1) * count)]]);
    }
    expect(memory().numTensors).toBe(before);
  });
});

it("names the sample and position of an id that has no row", () => {
  const config = parseQwen2Config({
    vocab_size: 4,
    hidden_size: 4,
    intermediate_size: 4,
    num_hidden_layers: 1,
    num_attention_heads: 1,
  });
  expect(() => embedTokens({ config, params: new Map(), inputIds: Int32Array.of(1, 2, 3, 9), shape: [2, 2] })).toThrow(
    "id 9 of sample 1 at 1 is outside [0, 4)",
  );
});
