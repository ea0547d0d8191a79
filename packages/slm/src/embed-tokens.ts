import { KdError } from "@kd/contract";
import {
  operand,
  type Params,
  reshape,
  selectRows,
  type Tensor2D,
  type Tensor3D,
  tensorOf,
  tidy,
} from "@kd/tensor-core";
import type { SlmConfig } from "./config.ts";
import { LLAVA_PREFIX } from "./names.ts";

/** Options of {@link embedTokens}. */
export interface EmbedTokens {
  readonly config: SlmConfig;
  readonly params: Params;
  /** `[B·T]`, each below `vocab_size`. */
  readonly inputIds: Int32Array;
  readonly shape: readonly [B: number, T: number];
  /** Names of the parameters that need a gradient; none by default. */
  readonly trainable?: ReadonlySet<string>;
  /** @defaultValue `"language_model."` */
  readonly prefix?: string;
}

/**
 * Input embeddings `[B, T, D]`, the caller's to dispose.
 *
 * @throws KdError `KD_DATA` naming the sample and the position of an id that has no row.
 */
export function embedTokens({
  config,
  params,
  inputIds,
  shape,
  trainable,
  prefix = LLAVA_PREFIX,
}: EmbedTokens): Tensor3D {
  const bad = inputIds.findIndex((id) => id < 0 || id >= config.vocab_size);
  if (bad >= 0)
    throw new KdError(
      "KD_DATA",
      `embedTokens: id ${inputIds[bad]} of sample ${Math.floor(bad / shape[1])} at ${bad % shape[1]} is outside [0, ${config.vocab_size}); use the tokenizer of this model`,
    );
  const table = operand<Tensor2D>(params, `${prefix}model.embed_tokens.weight`, trainable);
  return tidy(() => reshape(tensorOf(selectRows(table, inputIds)), [...shape, -1])) as Tensor3D;
}
