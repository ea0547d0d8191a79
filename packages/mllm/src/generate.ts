import type { TokenBatch } from "@kd/contract";
import { collectRows, type DecodingOptions, decodeTokens, type TokenStep } from "@kd/slm";
import { gatherRows, reshape, type Tensor2D, type Tensor3D, tensor1d, tidy } from "@kd/tensor-core";
import { embedInputs, type LlavaBatch } from "./embed-inputs.ts";
import type { Llava } from "./llava.ts";

/** Length, sampling, penalties and ends; greedy where nothing is said. */
export type GenerateOptions = DecodingOptions;

/**
 * Answers to a batch of prompts, padded on either side, one array of new ids a sample; each is what its prompt alone would give. The end
 * token is not part of it.
 *
 * @throws KdError `KD_CONFIG` for an option that cannot be, `KD_DATA` for a sample without a token or with other images than its spans say.
 */
export function generate(model: Llava, batch: LlavaBatch, options: GenerateOptions): Promise<number[][]> {
  return collectRows(generateStream(model, batch, options), batch.shape[0]);
}

/** The same, yielding the ids of each step, one a sample, as soon as they are known; undefined for a sample that has ended. */
export async function* generateStream(
  model: Llava,
  batch: LlavaBatch,
  options: GenerateOptions,
): AsyncGenerator<TokenStep, void, undefined> {
  const { config, params, tower } = model;
  const { rows, attentionMask, shape } = leftPadded(batch);
  const embeddings = tidy(() => {
    const inputs = reshape(embedInputs({ config, params, tower, batch }), [-1, config.text_config.hidden_size]);
    return reshape(gatherRows(inputs as Tensor2D, tensor1d(rows, "int32")), [...shape, -1]) as Tensor3D;
  });
  const promptIds = Array.from({ length: shape[0] }, (_, b) =>
    [...rows.subarray(b * shape[1], (b + 1) * shape[1])]
      .filter((_, t) => attentionMask[b * shape[1] + t] === 1)
      .map((row) => batch.inputIds[row] as number),
  );
  try {
    const text = { config: config.text_config, params, embeddings, attentionMask, promptIds };
    yield* decodeTokens({ ...options, ...text });
  } finally {
    embeddings.dispose();
  }
}

/** Where each row of a batch whose real tokens are on the right comes from, `[B·L]`; padding comes from anywhere. */
function leftPadded({ attentionMask: mask, shape: [batch, length] }: TokenBatch) {
  const real = Array.from({ length: batch }, (_, b) =>
    Array.from({ length }, (_, t) => b * length + t).filter((row) => mask[row] === 1),
  );
  const longest = Math.max(0, ...real.map((rows) => rows.length));
  const rows = new Int32Array(batch * longest);
  const attentionMask = new Uint8Array(batch * longest);
  for (const [b, own] of real.entries()) {
    rows.set(own, (b + 1) * longest - own.length);
    attentionMask.fill(1, (b + 1) * longest - own.length, (b + 1) * longest);
  }
  return { rows, attentionMask, shape: [batch, longest] as const };
}
