import { KdError } from "@kd/contract";
import { tensorflowOps } from "../backend/tensorflow-ops.ts";
import { type FusedKernels, fusedKernels } from "../kernels/binding.ts";
import { constant, differentiable, type Operand, tensorOf } from "../operand.ts";
import {
  add,
  matMul,
  mul,
  reshape,
  softmax,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  tensor,
  tidy,
  tile,
  transpose,
} from "../ops.ts";
import { tensorflowAttention } from "./attention-tensorflow.ts";

/** Options of {@link attention}. */
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

/** Softmax attention with grouped heads: `[B, T, H, headDim]`. */
export function attention({ query, key, value, keyMask, causal, scale }: AttentionOptions): Tensor4D {
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
  const sizes = { b, t, s, h, kv, d, causal, scale: scale ?? d ** -0.5 };
  const operands: Record<string, Operand> = {
    query,
    key,
    value,
    ...(keyMask === undefined ? {} : { keyMask: constant(keyMask) }),
  };
  return differentiable(operands, (x) => {
    const [k, ops] = [fusedKernels(), tensorflowOps()];
    if (ops) return tensorflowAttention(ops, x as never, sizes);
    return k ? fused(k, x as never, sizes) : portable(x as never, sizes);
  }) as Tensor4D;
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
function additiveMask({ b, t, s, h, kv, causal }: AttentionSizes, keyMask?: Tensor): Tensor {
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
function portable(x: AttentionValues, sizes: AttentionSizes) {
  const { b, t, s, h, kv, d, scale } = sizes;
  const group = h / kv;
  const fold = (q: Tensor) =>
    reshape(transpose(reshape(q, [b, t, kv, group, d]), [0, 2, 3, 1, 4]), [b * kv, group * t, d]);
  const unfold = (q: Tensor) => reshape(transpose(reshape(q, [b, kv, group, t, d]), [0, 3, 1, 2, 4]), [b, t, h, d]);
  const foldKeys = (k: Tensor) => reshape(transpose(k, [0, 2, 1, 3]), [b * kv, s, d]);
  const unfoldKeys = (k: Tensor) => transpose(reshape(k, [b, kv, s, d]), [0, 2, 1, 3]);
  const probabilities = () =>
    softmax(add(mul(matMul(fold(x.query), foldKeys(x.key), false, true), scale), additiveMask(sizes, x.keyMask)));
  return {
    value: tidy(() => unfold(matMul(probabilities(), foldKeys(x.value)))),
    // Probabilities are computed again instead of kept: O(T²) memory would outweigh the product.
    backward: (dy: Tensor) => {
      const [q, k, v, p, dOut] = [fold(x.query), foldKeys(x.key), foldKeys(x.value), probabilities(), fold(dy)];
      const dp = matMul(dOut, v, false, true);
      const ds = mul(mul(p, sub(dp, sum(mul(p, dp), -1, true))), scale);
      return {
        query: unfold(matMul(ds, k)),
        key: unfoldKeys(matMul(ds, q, true, false)),
        value: unfoldKeys(matMul(p, dOut, true, false)),
      };
    },
  };
}

// Work of attention's products and exponentials, in elements of a plain kernel.
const workOf = ({ b, t, s, h, d }: AttentionSizes): number => (b * h * t * s * d) / 8;

function fused(k: FusedKernels, x: AttentionValues, sizes: AttentionSizes) {
  const { b, t, s, h, kv, d, causal, scale } = sizes;
  const out = k.output(x.query.shape);
  const logSums = k.output([b, h, t]);
  const mask = x.keyMask === undefined ? 0 : k.address(x.keyMask);
  const shape = [t, s, h, kv, d, causal ? 1 : 0, scale];
  const at = (tensors: readonly Tensor[]): number[] => tensors.map((tensor) => k.address(tensor));
  const run = (name: "attentionFwd" | "attentionBwd", args: readonly number[], units: number): void => {
    const stride = k.attentionScratch(t, s);
    const work = workOf(sizes);
    const chunks = k.chunks(units, work);
    k.withScratch(chunks * stride, (scratch) =>
      k.run(name, [...args, scratch, ...shape], units, { work, chunks, strided: args.length, stride }),
    );
  };
  run("attentionFwd", [...at([x.query, x.key, x.value]), mask, ...at([out, logSums])], b * h);
  return {
    value: out,
    saved: [logSums],
    // Probabilities are computed again instead of kept: O(T²) memory would outweigh the product.
    backward: (dy: Tensor, [sums]: readonly Tensor[]) => {
      const query = k.output(x.query.shape);
      const key = k.zeros(x.key.shape);
      const value = k.zeros(x.key.shape);
      const hidden = x.keyMask === undefined ? 0 : k.address(x.keyMask);
      const args = [...at([dy, x.query, x.key, x.value]), hidden, ...at([sums as Tensor, query, key, value])];
      run("attentionBwd", args, b * kv);
      return { query, key, value };
    },
  };
}
