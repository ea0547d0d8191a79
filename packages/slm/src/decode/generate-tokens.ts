import { KdError } from "@kd/contract";
import type { Params } from "@kd/tensor-core";
import type { SlmConfig } from "../config.ts";
import { embedTokens } from "../embed-tokens.ts";
import { LLAVA_PREFIX } from "../names.ts";
import { collectRows, decodeTokens, type TokenStep } from "./decode-tokens.ts";
import type { DecodingOptions } from "./options.ts";

/** Options of {@link generateTokens} and {@link streamTokens}. */
export interface GenerateTokens extends DecodingOptions {
  readonly config: SlmConfig;
  readonly params: Params;
  /** Ids of each prompt; they may differ in length. */
  readonly prompts: readonly (readonly number[] | Int32Array)[];
  /** @defaultValue `"language_model."` */
  readonly prefix?: string;
}

/**
 * New ids of each prompt, an array a row; each row is what its prompt alone would give. The end token is not part of it.
 *
 * @throws KdError `KD_CONFIG` for an option that cannot be, `KD_DATA` for an empty prompt or an id without a row.
 */
export function generateTokens(options: GenerateTokens): Promise<number[][]> {
  return collectRows(streamTokens(options), options.prompts.length);
}

/** The same, step by step. */
export async function* streamTokens({
  prompts,
  ...options
}: GenerateTokens): AsyncGenerator<TokenStep, void, undefined> {
  const { config, params, prefix = LLAVA_PREFIX } = options;
  if (prompts.length === 0) return;
  const empty = prompts.findIndex((prompt) => prompt.length === 0);
  if (empty >= 0)
    throw new KdError(
      "KD_DATA",
      `generate: prompt ${empty} must have a token, got none; start with the model's first token`,
    );
  const length = Math.max(0, ...prompts.map((prompt) => prompt.length));
  const shape = [prompts.length, length] as const;
  const inputIds = new Int32Array(prompts.length * length);
  const attentionMask = new Uint8Array(inputIds.length);
  for (const [row, prompt] of prompts.entries()) {
    inputIds.set(prompt, (row + 1) * length - prompt.length);
    attentionMask.fill(1, (row + 1) * length - prompt.length, (row + 1) * length);
  }
  const embeddings = embedTokens({ config, params, inputIds, shape, prefix });
  try {
    yield* decodeTokens({ ...options, embeddings, attentionMask, promptIds: prompts });
  } finally {
    embeddings.dispose();
  }
}
