import { KdError } from "@kd/contract";
import { type Operand, tensorOf } from "../operand.ts";
import { add, mul, reshape, sub, type Tensor, type Tensor2D, type Tensor4D, tensor, tile, transpose } from "../ops.ts";

/** Options of `attention`. */
export interface AttentionOptions {
  /** `[B, T, H, headDim]` */
  readonly query: Operand<Tensor4D>;
  /** `[B, S, KV, headDim]`; KV divides H (grouped-query attention, arXiv 2305.13245). */
  readonly key: Operand<Tensor4D>;
  readonly value: Operand<Tensor4D>;
  /** float32 `[B, S]`, 1 real, 0 masked; all real by default. A row that sees no real key gives an average that nobody should read. */
  readonly keyMask?: Tensor2D;
  /** With S > T the queries are the last T positions, as with a KV cache. */
  readonly causal: boolean;
  /** @defaultValue headDim ** -0.5 */
  readonly scale?: number;
}

/** Sizes of a call whose shapes agree. */
export function attentionSizes({ query, key, value, keyMask, causal, scale }: AttentionOptions): AttentionSizes {
  const [b, t, h, d] = tensorOf(query).shape;
  const [kb, s, kv, kd] = tensorOf(key).shape;
  if (
    kb !== b ||
    kd !== d ||
    h % kv !== 0 ||
    tensorOf(value).shape.join() !== tensorOf(key).shape.join() ||
    (causal && s < t)
  )
    throw new KdError(
      "KD_SHAPE",
      `attention: key and value must be [B, S, KV, headDim] with B=${b}, headDim=${d}, KV dividing ${h}${causal ? ` and S ≥ ${t}` : ""}, got [${tensorOf(key).shape.join(", ")}] and [${tensorOf(value).shape.join(", ")}]`,
    );
  if (keyMask !== undefined && (keyMask.shape[0] !== b || keyMask.shape[1] !== s))
    throw new KdError("KD_SHAPE", `attention: keyMask must be [${b}, ${s}], got [${keyMask.shape.join(", ")}]`);
  return { b, t, s, h, kv, d, causal, scale: scale ?? d ** -0.5 };
}

export interface AttentionSizes {
  readonly b: number;
  readonly t: number;
  readonly s: number;
  readonly h: number;
  readonly kv: number;
  readonly d: number;
  readonly causal: boolean;
  readonly scale: number;
}
export type AttentionValues = Record<"query" | "key" | "value", Tensor> & { readonly keyMask?: Tensor };

export const MASKED = -1e9;

/** Additive mask `[B or 1, G·T, S]` in the layout of {@link portable}'s scores, built outside the tape. */
export function additiveMask({ b, t, s, h, kv, causal }: AttentionSizes, keyMask?: Tensor): Tensor {
  const one = new Float32Array(t * s);
  if (causal) for (let i = 0; i < t; i++) for (let j = s - t + i + 1; j < s; j++) one[i * s + j] = MASKED;
  const causalMask = tile(tensor(one, [1, t, s]), [1, h / kv, 1]);
  if (keyMask === undefined) return causalMask;
  const keys = reshape(mul(sub(1, keyMask), MASKED), [b, 1, 1, s]);
  return reshape(tile(add(reshape(causalMask, [1, 1, (h / kv) * t, s]), keys), [1, kv, 1, 1]), [
    b * kv,
    (h / kv) * t,
    s,
  ]);
}

// Queries of one key head side by side, [B·KV, G·T, d]: keys and values are never repeated.
export const foldHeads = (q: Tensor, { b, t, h, kv, d }: AttentionSizes): Tensor =>
  reshape(transpose(reshape(q, [b, t, kv, h / kv, d]), [0, 2, 3, 1, 4]), [b * kv, (h / kv) * t, d]);
export const unfoldHeads = (q: Tensor, { b, t, h, kv, d }: AttentionSizes): Tensor =>
  reshape(transpose(reshape(q, [b, kv, h / kv, t, d]), [0, 3, 1, 2, 4]), [b, t, h, d]);
export const foldKeys = (k: Tensor, { b, s, kv, d }: AttentionSizes): Tensor =>
  reshape(transpose(k, [0, 2, 1, 3]), [b * kv, s, d]);
export const unfoldKeys = (k: Tensor, { b, s, kv, d }: AttentionSizes): Tensor =>
  transpose(reshape(k, [b, kv, s, d]), [0, 2, 1, 3]);
