import {
  assertShapes,
  constant,
  operand,
  type Params,
  rmsNorm,
  ropeTables,
  runLayer,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  tidy,
} from "@kd/tensor-core";
import type { KeyValueCache } from "./cache.ts";
import type { Qwen2Config } from "./config.ts";
import { qwen2Layer } from "./layer.ts";
import { LLAVA_PREFIX } from "./names.ts";

/** Options of {@link qwen2Forward}. */
export interface Qwen2Forward {
  readonly config: Qwen2Config;
  readonly params: Params;
  /** Input embeddings `[B, T, D]`: of tokens, or with image features among them. */
  readonly embeddings: Tensor3D;
  /** float32 `[B, S]`, 1 real, 0 masked. Right padding needs none: no real position looks to its right. */
  readonly keyMask?: Tensor2D;
  /** Names of the parameters that need a gradient; none by default. */
  readonly trainable?: ReadonlySet<string>;
  /** @defaultValue `"language_model."`, as in LLaVA checkpoints */
  readonly prefix?: string;
  /** Positions read before; the new ones are added to it. Only without gradients. */
  readonly cache?: KeyValueCache;
  /**
   * Keep what enters each layer instead of its activations, and run the layer again in backward: less memory for about a third more time.
   * Without effect on a cache, which has no gradients.
   *
   * @defaultValue false
   */
  readonly gradientCheckpointing?: boolean;
  /** Return what enters layer i instead (Hugging Face's `hidden_states[i]`). @defaultValue after the last norm */
  readonly layer?: number;
}

/**
 * Hidden states after the last norm, `[B, T, D]`, the caller's to dispose.
 *
 * @throws KdError `KD_SHAPE` for other embeddings, `KD_WEIGHTS` for a missing parameter.
 */
export function qwen2Forward(options: Qwen2Forward): Tensor3D {
  const { config, params, embeddings, keyMask, trainable, prefix = LLAVA_PREFIX, cache, layer } = options;
  const gradientCheckpointing = options.gradientCheckpointing === true && cache === undefined;
  assertShapes("qwen2Forward", { embeddings: [embeddings, `B T ${config.hidden_size}`] });
  return tidy(() => {
    const length = embeddings.shape[1];
    const start = cache?.length ?? 0;
    const { cos, sin } = ropeTables({
      positions: Int32Array.from({ length }, (_, i) => start + i),
      headDim: config.hidden_size / config.num_attention_heads,
      theta: config.rope_theta,
    });
    const shared = {
      cos: constant(cos),
      sin: constant(sin),
      ...(keyMask === undefined ? {} : { keyMask: constant(keyMask) }),
    };
    let x = embeddings;
    for (let index = 0; index < (layer ?? config.num_hidden_layers); index++) {
      const weights = { params, prefix: `${prefix}model.layers.${index}.`, trainable };
      const y = runLayer({ ...weights, operands: { x, ...shared }, gradientCheckpointing }, (given, find) =>
        qwen2Layer(given, {
          config,
          index,
          find: (name) => (name.endsWith(".bias") && !params.has(weights.prefix + name) ? undefined : find(name)),
          ...(cache === undefined ? {} : { cache }),
        }),
      );
      if (x !== embeddings) x.dispose(); // a tape has references of its own
      x = y as Tensor3D;
    }
    if (cache !== undefined) cache.length += length;
    if (layer !== undefined) return x.clone();
    const norm = operand<Tensor1D>(params, `${prefix}model.norm.weight`, trainable);
    return rmsNorm(x, norm, { epsilon: config.rms_norm_eps }) as Tensor3D;
  });
}
