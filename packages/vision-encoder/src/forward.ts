import { KdError } from "@kd/contract";
import {
  add,
  assertShapes,
  customGrad,
  layerNorm,
  type Operand,
  operand,
  type Params,
  runLayer,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  tensorOf,
  tidy,
  widen,
  zerosLike,
} from "@kd/tensor-core";
import type { SiglipVisionConfig } from "./config.ts";
import { type Find, siglipLayer } from "./layer.ts";
import { LLAVA_PREFIX } from "./names.ts";
import { embedPatches } from "./patches.ts";

/** Options of {@link siglipForward}. */
export interface SiglipForward {
  readonly config: SiglipVisionConfig;
  readonly params: Params;
  /** Normalised pixels `[I, H, W, C]`, H = W = `image_size`; no gradient reaches them. */
  readonly pixels: Tensor4D;
  /** Names of the parameters that need a gradient; none by default. */
  readonly trainable?: ReadonlySet<string>;
  /**
   * Index into Hugging Face's `hidden_states`: 0 is the embeddings, i is after layer i, -1 the last, all before the last norm.
   *
   * @defaultValue `last_hidden_state`, which is after `post_layernorm`
   */
  readonly layer?: number;
  /** Keep what enters each trained layer instead of its activations, and run the layer again in backward. @defaultValue false */
  readonly gradientCheckpointing?: boolean;
  /** @defaultValue `"vision_tower.vision_model."`, as in LLaVA checkpoints */
  readonly prefix?: string;
}

/**
 * Features of every patch, `[I, N, D]`, the caller's to dispose. Layers beyond the chosen one are not computed.
 *
 * @throws KdError `KD_SHAPE` for other pixels, `KD_CONFIG` for a layer that isn't there, `KD_WEIGHTS` for a missing parameter.
 */
export function siglipForward({
  config,
  params,
  pixels,
  trainable,
  layer,
  gradientCheckpointing,
  prefix = LLAVA_PREFIX,
}: SiglipForward): Tensor3D {
  const { image_size: side, num_channels: channels, layer_norm_eps: epsilon } = config;
  assertShapes("siglipForward", { pixels: [pixels, `I ${side} ${side} ${channels}`] });
  const layers = countLayers(config, layer);
  const find = <T extends Tensor>(name: string): Operand<T> => operand<T>(params, prefix + name, trainable);
  const run = () => {
    const patch = "embeddings.patch_embedding";
    const embedded = embedPatches(pixels, find(`${patch}.weight`), find(`${patch}.bias`), config);
    let x = add(embedded, widen(tensorOf(find("embeddings.position_embedding.weight"))));
    for (let i = 0; i < layers; i++) {
      const weights = { params, prefix: `${prefix}encoder.layers.${i}.`, trainable };
      const y = runLayer({ ...weights, operands: { x }, gradientCheckpointing }, (given, find) =>
        siglipLayer(tensorOf(given.x), find as Find, config),
      );
      x.dispose(); // a tape has references of its own
      x = y;
    }
    if (layer === undefined) x = layerNorm(x, find("post_layernorm.weight"), find("post_layernorm.bias"), { epsilon });
    return x as Tensor3D;
  };
  const trains = [...(trainable ?? [])].some((name) => name.startsWith(prefix));
  return tidy(() => (trains ? run() : offTape(run, pixels)));
}

/** Runs a frozen tower as one op: a tape would keep what every layer made until the gradient is taken, and use none of it. */
function offTape(run: () => Tensor3D, pixels: Tensor4D): Tensor3D {
  return customGrad((input) => ({ value: run(), gradFunc: () => zerosLike(input as Tensor) }))(pixels) as Tensor3D;
}

/** Layers to run for a `hidden_states` index. */
function countLayers({ num_hidden_layers: depth }: SiglipVisionConfig, layer: number | undefined): number {
  if (layer === undefined) return depth;
  const index = layer < 0 ? depth + 1 + layer : layer;
  if (!Number.isInteger(index) || index < 0 || index > depth)
    throw new KdError(
      "KD_CONFIG",
      `siglipForward: layer must be a whole number from ${-depth - 1} to ${depth}, got ${layer}; correct vision_feature_layer`,
    );
  return index;
}
