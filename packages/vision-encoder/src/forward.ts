import { KdError } from "@kd/contract";
import {
  assertShapes,
  concat,
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
  zerosLike,
} from "@kd/tensor-core";
import type { VisionConfig } from "./config.ts";
import { embed } from "./embed.ts";
import { type Find, visionLayer } from "./layer.ts";
import { LLAVA_PREFIX } from "./names.ts";
import { TOWERS } from "./towers.ts";

/** Options of {@link visionForward}. */
export interface VisionForward {
  readonly config: VisionConfig;
  readonly params: Params;
  /** Normalised pixels `[I, H, W, C]`, H = W = `image_size`; no gradient reaches them. */
  readonly pixels: Tensor4D;
  /** Names of the parameters that need a gradient; none by default. */
  readonly trainable?: ReadonlySet<string>;
  /**
   * Index into Hugging Face's `hidden_states`: 0 is what enters the first layer, i is after layer i, -1 the last, all before the last norm.
   * Of several, the rows are set side by side, `[I, N, L·D]`, as LLaVA's `vision_feature_layer` has them.
   *
   * @defaultValue `last_hidden_state`, which is after `post_layernorm` in SigLIP and before it in CLIP
   */
  readonly layer?: number | readonly number[];
  /** Keep what enters each trained layer instead of its activations, and run the layer again in backward. @defaultValue false */
  readonly gradientCheckpointing?: boolean;
  /** @defaultValue `"vision_tower.vision_model."`, as in LLaVA checkpoints */
  readonly prefix?: string;
}

/**
 * Features of every patch (in CLIP of the class token, then of every patch), `[I, N, D]`, the caller's to dispose. Layers beyond the
 * last chosen one are not computed.
 *
 * @throws KdError `KD_SHAPE` for other pixels, `KD_CONFIG` for a layer that isn't there, `KD_WEIGHTS` for a missing parameter.
 */
export function visionForward({
  config,
  params,
  pixels,
  trainable,
  layer,
  gradientCheckpointing,
  prefix = LLAVA_PREFIX,
}: VisionForward): Tensor3D {
  const { image_size: side, num_channels: channels, layer_norm_eps: epsilon } = config;
  assertShapes("visionForward", { pixels: [pixels, `I ${side} ${side} ${channels}`] });
  const chosen = indices(config, layer);
  const find: Find = <T extends Tensor>(name: string): Operand<T> => operand<T>(params, prefix + name, trainable);
  const run = () => {
    let x = embed(pixels, find, config);
    const states = new Map([[0, x]]);
    for (let i = 0; i < Math.max(...chosen); i++) {
      const weights = { params, prefix: `${prefix}encoder.layers.${i}.`, trainable };
      const y = runLayer({ ...weights, operands: { x }, gradientCheckpointing }, (given, find) =>
        visionLayer(tensorOf(given.x), find as Find, config),
      );
      if (!chosen.includes(i)) x.dispose(); // a tape has references of its own
      x = y;
      states.set(i + 1, x);
    }
    if (layer === undefined && TOWERS[config.model_type].normAfter)
      return layerNorm(x, find("post_layernorm.weight"), find("post_layernorm.bias"), { epsilon }) as Tensor3D;
    const picked = chosen.map((i) => states.get(i) as Tensor3D);
    return picked.length === 1 ? (picked[0] as Tensor3D) : concat(picked, -1);
  };
  const trains = [...(trainable ?? [])].some((name) => name.startsWith(prefix));
  return tidy(() => (trains ? run() : offTape(run, pixels)));
}

/** Runs a frozen tower as one op: a tape would keep what every layer made until the gradient is taken, and use none of it. */
function offTape(run: () => Tensor3D, pixels: Tensor4D): Tensor3D {
  return customGrad((input) => ({ value: run(), gradFunc: () => zerosLike(input as Tensor) }))(pixels) as Tensor3D;
}

/** The wanted states by the number of layers before them. */
function indices({ num_hidden_layers: depth }: VisionConfig, layer: VisionForward["layer"]): readonly number[] {
  if (layer === undefined) return [depth];
  const wanted = typeof layer === "number" ? [layer] : layer;
  if (wanted.length === 0) throw new KdError("KD_CONFIG", "visionForward: expected a layer, got none");
  return wanted.map((i) => {
    const index = i < 0 ? depth + 1 + i : i;
    if (!Number.isInteger(index) || index < 0 || index > depth)
      throw new KdError(
        "KD_CONFIG",
        `visionForward: layer must be a whole number from ${-depth - 1} to ${depth}, got ${i}; correct vision_feature_layer`,
      );
    return index;
  });
}
