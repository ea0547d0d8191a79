import { KdError } from "@kd/contract";
import {
  assertShapes,
  constant,
  type ForwardOutput,
  operand,
  type Params,
  type Rng,
  rmsNorm,
  runLayer,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tidy,
} from "@kd/tensor-core";
import type { KeyValueCache } from "./cache.ts";
import type { SlmConfig } from "./config.ts";
import { decoderLayer, decoderMaps, type LayerContext, type LayerOperands } from "./layer.ts";
import { dropoutOf } from "./lora/dropout.ts";
import { LLAVA_PREFIX } from "./names.ts";
import { ropeTablesOf } from "./rope-scaling.ts";

/** A layer may go without these. */
const OPTIONAL = /\.(bias|lora_A\.weight)$/;

/** Options of {@link slmForward}. */
export interface SlmForward {
  readonly config: SlmConfig;
  readonly params: Params;
  /** Input embeddings `[B, T, D]`: of tokens, or with image features among them. */
  readonly embeddings: Tensor3D;
  /** float32 `[B, S]`, 1 real, 0 masked, S with what a cache holds. Right padding needs none: no real position looks to its right. */
  readonly keyMask?: Tensor2D;
  /** Position of each embedding in its sequence, `[B·T]`. @defaultValue those that follow the cache's, in every sequence */
  readonly positions?: Int32Array;
  /** Whether adapters drop inputs (`lora_dropout`). @defaultValue false */
  readonly training?: boolean;
  /** What dropout draws from; it moves by one number a pass. */
  readonly rng?: Rng;
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
  /** Layers whose input is returned, too (Hugging Face's `hidden_states[i]`); the number of layers: after the last norm. @defaultValue none */
  readonly hiddenStates?: readonly number[];
  /** Layers whose attention maps are returned, too (Hugging Face's `attentions[i]`). Not with a cache. @defaultValue none */
  readonly attentions?: readonly number[];
}

/**
 * Hidden states after the last norm, `[B, T, D]`, the caller's to dispose.
 *
 * @throws KdError `KD_SHAPE` for other embeddings or positions, `KD_WEIGHTS` for a missing parameter, `KD_CONFIG` for adapters that the
 * configuration knows nothing of, or for dropout without a source of randomness.
 */
export const slmForward = (options: SlmForward): Tensor3D => slmOutputs(options).hidden;

/**
 * The same with whatever else is asked for, all of it the caller's to dispose.
 *
 * @throws KdError as {@link slmForward}; `KD_CONFIG` for a layer that there is not.
 */
export function slmOutputs(options: SlmForward): ForwardOutput {
  const { config, params, embeddings, keyMask, trainable, prefix = LLAVA_PREFIX, cache } = options;
  const { hiddenStates, attentions } = options;
  const layers = config.num_hidden_layers;
  const gradientCheckpointing = options.gradientCheckpointing === true && cache === undefined;
  assertShapes("slmForward", { embeddings: [embeddings, `B T ${config.hidden_size}`] });
  assertPositions(options);
  assertLayers("hiddenStates", hiddenStates, layers + 1);
  assertLayers("attentions", attentions, layers);
  return tidy(() => {
    const length = embeddings.shape[1];
    const start = cache?.length ?? 0;
    const { cos, sin } = ropeTablesOf(config, options.positions ?? Int32Array.from({ length }, (_, i) => start + i));
    const drop = dropoutOf(config.lora, options);
    const shared = {
      cos: constant(cos),
      sin: constant(sin),
      ...(keyMask === undefined ? {} : { keyMask: constant(keyMask) }),
    };
    const entered = new Map<number, Tensor3D>();
    const maps = new Map<number, Tensor4D>();
    let x = embeddings;
    for (let index = 0; index < layers; index++) {
      const weights = { params, prefix: `${prefix}model.layers.${index}.`, trainable };
      const run = <T extends Tensor>(part: (operands: LayerOperands, context: LayerContext) => T): T =>
        runLayer({ ...weights, operands: { x, ...shared }, gradientCheckpointing }, (given, find) =>
          part(given, {
            config,
            index,
            find: (name) => (OPTIONAL.test(name) && !params.has(weights.prefix + name) ? undefined : find(name)),
            drop,
            ...(cache === undefined ? {} : { cache }),
          }),
        ) as T;
      if (hiddenStates?.includes(index)) entered.set(index, x.clone());
      if (attentions?.includes(index)) maps.set(index, run(decoderMaps));
      const y = run(decoderLayer);
      if (x !== embeddings) x.dispose(); // a tape has references of its own
      x = y;
    }
    if (cache !== undefined) cache.length += length;
    const norm = operand<Tensor1D>(params, `${prefix}model.norm.weight`, trainable);
    const hidden = rmsNorm(x, norm, { epsilon: config.rms_norm_eps }) as Tensor3D;
    return {
      hidden,
      ...(hiddenStates ? { hiddenStates: hiddenStates.map((i) => entered.get(i) ?? hidden.clone()) } : {}),
      ...(attentions ? { attentions: attentions.map((i) => maps.get(i) as Tensor4D) } : {}),
    };
  });
}

function assertPositions({ positions, embeddings: { shape } }: SlmForward): void {
  if (positions !== undefined && positions.length !== shape[0] * shape[1])
    throw new KdError(
      "KD_SHAPE",
      `slmForward: positions must be [${shape[0]} · ${shape[1]}], got ${positions.length} of them`,
    );
}

function assertLayers(name: string, asked: readonly number[] = [], count: number): void {
  const wrong = asked.find((i) => !(Number.isInteger(i) && i >= 0 && i < count));
  if (wrong !== undefined)
    throw new KdError("KD_CONFIG", `slmForward: ${name} must be layers in 0…${count - 1}, got ${wrong}`);
}
