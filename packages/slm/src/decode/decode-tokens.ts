import { KdError } from "@kd/contract";
import { constant, linear, type Params, reshape, slice, type Tensor2D, type Tensor3D, tidy } from "@kd/tensor-core";
import { createKeyValueCache, disposeKeyValueCache } from "../cache.ts";
import type { SlmConfig } from "../config.ts";
import { embedTokens } from "../embed-tokens.ts";
import { slmForward } from "../forward.ts";
import { headName, LLAVA_PREFIX } from "../names.ts";
import { chooser } from "./choose.ts";
import { paddingOf } from "./left-padding.ts";
import { assertDecoding, type DecodingOptions } from "./options.ts";

/** Options of {@link decodeTokens}. */
export interface DecodeTokens extends DecodingOptions {
  readonly config: SlmConfig;
  readonly params: Params;
  /** Embeddings of the prompts, `[B, T, D]`; stays the caller's. */
  readonly embeddings: Tensor3D;
  /** `[B·T]`, 1 real, 0 padding, which is on the left. @defaultValue all real */
  readonly attentionMask?: Uint8Array;
  /** Ids of each prompt, for the repetition penalty. @defaultValue none */
  readonly promptIds?: readonly Iterable<number>[];
  /** @defaultValue `"language_model."` */
  readonly prefix?: string;
}

/** New ids of one step, one a row; undefined for a row that has ended. */
export type TokenStep = readonly (number | undefined)[];

/**
 * Continues embedded prompts with a key-value cache, and yields the ids of each step as soon as they are known. An end token is not
 * among them. Whoever stops reading ends it.
 *
 * @throws KdError `KD_CONFIG` for an option that cannot be, `KD_DATA` for padding on the right, `KD_WEIGHTS` for a missing parameter.
 */
export async function* decodeTokens(options: DecodeTokens): AsyncGenerator<TokenStep, void, undefined> {
  const { config, params, embeddings, maxNewTokens, eosTokenIds = [], stopWhen, prefix = LLAVA_PREFIX } = options;
  assertDecoding(options);
  const [batch, length] = embeddings.shape;
  if (length === 0) throw new KdError("KD_DATA", "generate: prompts must have a token, got none");
  const padding = paddingOf(options.attentionMask, [batch, length]);
  const rows: number[][] = Array.from({ length: batch }, () => []);
  const open = new Set(rows.keys());
  const ends = new Set([eosTokenIds].flat());
  const choose = chooser(
    options,
    rows.map((_, row) => new Set(options.promptIds?.[row])),
  );
  const cache = createKeyValueCache();
  let next = embeddings;
  try {
    for (let step = 0; step < maxNewTokens && open.size > 0; step++) {
      const logits = tidy(() => {
        const place = padding && {
          positions: step === 0 ? padding.positions : padding.positionsAt(step),
          keyMask: padding.keyMask(length + step),
        };
        const hidden = slmForward({ config, params, embeddings: next, prefix, cache, ...place });
        const last = reshape(slice(hidden, [0, hidden.shape[1] - 1, 0]), [batch, -1]);
        return linear(last, constant(params.get(headName(config, prefix)) as Tensor2D)) as Tensor2D;
      });
      if (next !== embeddings) next.dispose();
      next = embeddings;
      const ids = await choose(logits);
      for (const row of open) if (ends.has(ids[row] as number)) open.delete(row);
      const found: TokenStep = rows.map((_, row) => (open.has(row) ? ids[row] : undefined));
      for (const row of open) {
        rows[row]?.push(ids[row] as number);
        if (stopWhen?.(rows[row] as number[], row)) open.delete(row);
      }
      if (found.some((id) => id !== undefined)) yield found;
      if (open.size > 0) next = embedTokens({ config, params, inputIds: ids, shape: [batch, 1], prefix });
    }
  } finally {
    if (next !== embeddings) next.dispose();
    disposeKeyValueCache(cache);
  }
}

/** All steps at once: the new ids of each row. */
export async function collectRows(steps: AsyncIterable<TokenStep>, rows: number): Promise<number[][]> {
  const answers: number[][] = Array.from({ length: rows }, () => []);
  for await (const step of steps) for (const [row, id] of step.entries()) if (id !== undefined) answers[row]?.push(id);
  return answers;
}
