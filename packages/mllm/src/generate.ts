import type { TokenBatch } from "@kd/contract";
import { greedyDecode } from "@kd/slm";
import { gatherRows, reshape, slice, type Tensor2D, type Tensor3D, tensor1d, tidy } from "@kd/tensor-core";
import { embedInputs } from "./embed-inputs.ts";
import type { Llava } from "./llava.ts";

/** When {@link generate} ends. */
export interface GenerateOptions {
  /** At most so many ids a sample. */
  readonly maxNewTokens: number;
  /** A row ends before one of these; none by default. */
  readonly eosTokenIds?: readonly number[];
}

/** Greedy answers to a batch of right-padded prompts, one array of new ids a sample. Prompts of one length run together. */
export async function generate(model: Llava, batch: TokenBatch, options: GenerateOptions): Promise<number[][]> {
  const { config, params, tower } = model;
  const [count, length] = batch.shape;
  const byLength = new Map<number, number[]>();
  for (let b = 0; b < count; b++) {
    const real = batch.attentionMask.subarray(b * length, (b + 1) * length).reduce((sum, bit) => sum + bit, 0);
    byLength.set(real, [...(byLength.get(real) ?? []), b]);
  }
  const answers: number[][] = Array.from({ length: count }, () => []);
  const inputs = embedInputs({ config, params, tower, batch });
  try {
    for (const [real, samples] of byLength) {
      const embeddings = tidy(() => {
        const rows = reshape(inputs, [count, -1]) as Tensor2D;
        const chosen = reshape(gatherRows(rows, tensor1d(samples, "int32")), [samples.length, length, -1]);
        return slice(chosen, [0, 0, 0], [-1, real, -1]) as Tensor3D;
      });
      const rows = await greedyDecode({ config: config.text_config, params, embeddings, ...options });
      embeddings.dispose();
      for (const [i, sample] of samples.entries()) answers[sample] = rows[i] as number[];
    }
    return answers;
  } finally {
    inputs.dispose();
  }
}
