import { join } from "node:path";
import { type StoredTensor, toFloat32, toInt32 } from "@kd/safetensors";
import {
  dispose,
  linear,
  logSoftmax,
  mean,
  memory,
  mul,
  neg,
  oneHot,
  reshape,
  type Scalar,
  slice,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tensor1d,
  useBackend,
  variable,
  variableGrads,
} from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { engines, numberOf, tidyAsync } from "../../tensor-core/test/engines.ts";
import { embedTokens, generateTokens, headName, type Slm, slmForward, slmOutputs } from "../src/index.ts";
import { loadSlm } from "../src/node/index.ts";
import { read, relativeError, root } from "./stored.ts";

const prefix = "";

/** Mean cross-entropy of the next tokens from stock operations, so that the model alone is on trial. */
function crossEntropy({ config, params }: Slm, hidden: Tensor3D, labels: Int32Array): Scalar {
  const [batch, length, width] = hidden.shape;
  const rows = reshape(slice(hidden, [0, 0, 0], [-1, length - 1, -1]), [-1, width]);
  const next = Int32Array.from({ length: batch * (length - 1) }, (_, i) => {
    const row = Math.floor(i / (length - 1));
    return labels[row * length + (i % (length - 1)) + 1] as number;
  });
  const logits = linear(rows, params.get(headName(config, prefix)) as Tensor2D);
  const picked = sum(mul(logSoftmax(logits), oneHot(tensor1d(next, "int32"), config.vocab_size)), -1); // 0 at -100
  const count = next.filter((label) => label >= 0).length;
  return neg(mul(mean(picked), next.length / count)) as Scalar;
}

describe.each(engines)("on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it.each(["qwen2_tied", "qwen2_untied", "llama"])(
    "%s: hidden states, logits, loss and greedy continuation",
    async (name) => {
      const { config, params } = await loadSlm(join(root, name));
      const expected = read(`expected/${name}.safetensors`);
      const stored = (key: string): StoredTensor => expected.get(key) ?? expect.fail(`no ${key}`);
      const shape = stored("input_ids").shape as unknown as [number, number];
      const [inputIds, mask] = [Int32Array.from(toInt32(stored("input_ids"))), toInt32(stored("attention_mask"))];
      const before = memory().numTensors;
      await tidyAsync(async () => {
        const embeddings = embedTokens({ config, params, inputIds, shape, prefix });
        const count = config.num_hidden_layers;
        const layers = Array.from({ length: count + 1 }, (_, i) => i);
        const { hidden, hiddenStates } = slmOutputs({ config, params, embeddings, prefix, hiddenStates: layers });
        for (const [layer, state] of (hiddenStates ?? []).entries())
          expect(
            await relativeError(state, stored(layer < count ? `hidden_states.${layer}` : "last_hidden_state"), mask),
          ).toBeLessThan(1e-5);
        expect(hiddenStates).toHaveLength(count + 1);
        expect(await relativeError(hidden, stored("last_hidden_state"), mask)).toBeLessThan(1e-5);
        const logits = linear(hidden, params.get(headName(config, prefix)) as Tensor2D);
        expect(await relativeError(logits, stored("logits"), mask)).toBeLessThan(1e-5);
        const loss = crossEntropy({ config, params }, hidden, toInt32(stored("labels")));
        expect(Math.abs((await numberOf(loss)) - (toFloat32(stored("loss"))[0] as number))).toBeLessThan(2e-5);
      });
      const generated = toInt32(stored("generated"));
      const count = generated.length / shape[0];
      const prompts = Array.from({ length: shape[0] }, (_, row) => {
        const real = mask.subarray(row * shape[1], (row + 1) * shape[1]).reduce((a, b) => a + b, 0);
        return inputIds.slice(row * shape[1], row * shape[1] + real);
      });
      const answers = prompts.map((_, row) => [...generated.subarray(row * count, (row + 1) * count)]);
      const options = { config, params, maxNewTokens: count, prefix };
      expect(await generateTokens({ ...options, prompts })).toEqual(answers); // of different lengths, padded on the left
      for (const [row, prompt] of prompts.entries())
        expect(await generateTokens({ ...options, prompts: [prompt] })).toEqual([answers[row]]);
      expect(memory().numTensors).toBe(before);
      dispose([...params.values()]);
    },
  );

  it.each(["bf16", "fp16"] as const)(
    "weights stored in %s: logits, widened at once or while a layer runs",
    async (format) => {
      const expected = read(`expected/qwen2_tied_${format}.safetensors`);
      const stored = (key: string): StoredTensor => expected.get(key) ?? expect.fail(`no ${key}`);
      const shape = stored("input_ids").shape as unknown as [number, number];
      const [inputIds, mask] = [Int32Array.from(toInt32(stored("input_ids"))), toInt32(stored("attention_mask"))];
      for (const keep of ["float32", format] as const) {
        const { config, params } = await loadSlm(join(root, `qwen2_tied_${format}`), {
          keep,
          prefix: "language_model.",
        });
        await tidyAsync(async () => {
          const hidden = slmForward({ config, params, embeddings: embedTokens({ config, params, inputIds, shape }) });
          expect(await relativeError(hidden, stored("last_hidden_state"), mask)).toBeLessThan(1e-5);
          const logits = linear(hidden, params.get(headName(config)) as Tensor2D);
          expect(await relativeError(logits, stored("logits"), mask)).toBeLessThan(1e-5);
        });
      }
    },
  );

  it("a Llama's gradients agree with differences of its loss", async () => {
    const { config, params } = await loadSlm(join(root, "llama"));
    const expected = read("expected/llama.safetensors");
    const ids = expected.get("input_ids") ?? expect.fail("ids");
    const labels = toInt32(expected.get("labels") ?? expect.fail("labels"));
    const shape = ids.shape as unknown as [number, number];
    const embeddings = embedTokens({ config, params, inputIds: Int32Array.from(toInt32(ids)), shape, prefix });
    const name = "model.layers.0.self_attn.k_proj.weight";
    const weight = variable(params.get(name) as Tensor);
    const trained = new Map([...params, [name, weight]]);
    const loss = () => {
      const hidden = slmForward({ config, params: trained, embeddings, prefix, trainable: new Set([name]) });
      return crossEntropy({ config, params: trained }, hidden, labels);
    };
    const { grads } = variableGrads(loss, [weight]);
    const slope = await (grads[weight.name] as Tensor).data();
    const base = Float32Array.from(await weight.data());
    for (const i of [3, weight.size >> 1, weight.size - 9]) {
      const [up, down] = await Promise.all(
        [1e-2, -1e-2].map((by) => {
          const moved = base.slice();
          moved[i] = (base[i] as number) + by;
          weight.assign(reshape(tensor1d(moved), weight.shape));
          return numberOf(loss);
        }),
      );
      expect(slope[i]).toBeCloseTo(((up as number) - (down as number)) / 2e-2, 3);
    }
  });
});
