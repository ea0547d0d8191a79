import type { TokenBatch } from "@kd/contract";
import type { Tensor, Tensor2D, Tensor3D, Tensor4D, Variable } from "./ops.ts";
import type { Rng } from "./rng.ts";

/**
 * Weights in Hugging Face layout (`[out, in]`) under Hugging Face names. Names are map keys only: a tf.Variable's own name is global to
 * the process, and teacher and student would collide.
 */
export type Params = Map<string, Variable | Tensor>;

/** Options of a forward pass. */
export interface ForwardOptions {
  /** Whether dropout and the like are on. @defaultValue false */
  readonly training?: boolean;
  /** What they draw from. */
  readonly rng?: Rng;
  /** Names of the parameters that need a gradient; none by default. */
  readonly trainable?: ReadonlySet<string>;
  /** Whether each layer's activations are dropped and computed again in backward; a model may leave it out. @defaultValue false */
  readonly gradientCheckpointing?: boolean;
  /** Also return what enters these layers of the language model; the number of layers: after the last norm. Costs nothing when left out. */
  readonly hiddenStates?: readonly number[];
  /** Also return the attention maps of these layers, computed once more beside the attention. Costs nothing when left out. */
  readonly attentions?: readonly number[];
}

/** The caller's to dispose. */
export interface ForwardOutput {
  /** `[B, T, D]` after the last norm. */
  readonly hidden: Tensor3D;
  /** `[B, T, D]` each, one a number of `options.hiddenStates`, in its order. */
  readonly hiddenStates?: readonly Tensor3D[];
  /** `[B, H, T, T]` each, rows of queries, one a number of `options.attentions`, in its order. */
  readonly attentions?: readonly Tensor4D[];
}

/** What a loss or a stage knows of any model, ours or a user's. */
export interface VisionLanguageModel {
  readonly params: Params;
  /** Freezing is a choice of groups. */
  readonly groups: {
    readonly vision: readonly string[];
    readonly projector: readonly string[];
    readonly slm: readonly string[];
  };
  /** `[V, D]`, borrowed: it belongs to `params`, never dispose it. */
  readonly head: Tensor2D;
  forward(batch: TokenBatch, options?: ForwardOptions): ForwardOutput;
}

/** Rows of logits: dense `[R, V]` (anyone's trainer) or as factors `hidden [R, D] · headᵀ [D, V]` (chunked, memory-light). */
export type LogitRows = Tensor2D | { readonly hidden: Tensor2D; readonly head: Tensor2D };
