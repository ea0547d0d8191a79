import type { Handle, Input, TensorflowOps } from "../backend/tensorflow-ops.ts";
import type { Forward } from "../operand.ts";
import type { Tensor } from "../ops.ts";
import { type AttentionSizes, type AttentionValues, MASKED } from "./attention-layout.ts";
import { tensorflowMath } from "./tensorflow-math.ts";

/**
 * The body of attention by TensorFlow's operations, in the layout of the portable one. What it saves is folded already, and stands in the
 * place of its operands; the probabilities are saved, too, while they are small beside a layer's activations.
 */
export function tensorflowAttention(ops: TensorflowOps, x: AttentionValues, sizes: AttentionSizes): Forward<string> {
  const { b, t, s, h, kv, d, scale } = sizes;
  const { mul, sub, add, matMul, reshape, transpose, reduce } = tensorflowMath(ops);
  const group = h / kv;
  const { kernel } = ops;
  /** x, seen as [B, m, n, headDim], with m and n exchanged. */
  const swap = (x: Input, m: number, n: number, shape: readonly number[]) => {
    if (kernel) return kernel("KdSwapMiddle", [x, [b, m, n, d], shape])[0] as Handle;
    return reshape(transpose(reshape(x, [b, m, n, d]), [0, 2, 1, 3]), shape);
  };
  const fold = (q: Input) => swap(q, t, h, [b * kv, group * t, d]);
  const unfold = (q: Input) => swap(q, h, t, [b, t, h, d]);
  const foldKeys = (k: Input) => swap(k, s, kv, [b * kv, s, d]);
  const unfoldKeys = (k: Input) => swap(k, kv, s, [b, s, kv, d]);
  const scaled = (x: Handle): Handle => (kernel ? x : mul(x, scale)); // our own kernels scale the scores instead of the queries
  const probabilities = (q: Input, k: Input, mask: Input | undefined) => {
    const scores = matMul(q, k, false, true);
    if (kernel) return kernel("KdAttentionSoftmax", [scores, mask ?? 0, scale])[0] as Handle;
    if (mask === undefined) return ops.op("Softmax", [scores]);
    return reshape(ops.op("Softmax", [add(reshape(scores, [b, h, t, s]), mask)]), scores.shape);
  };
  const scoresGradient = (p: Input, dp: Handle) => {
    if (kernel) return kernel("KdAttentionSoftmaxGrad", [p, dp, scale])[0] as Handle;
    const both = mul(p, dp);
    return sub(both, mul(p, reduce("Sum", both)));
  };
  const kept = s <= 4 * d;
  const [value, ...saved] = ops.compute(() => {
    const [q, k, v] = [scaled(fold(x.query)), foldKeys(x.key), foldKeys(x.value)];
    const p = probabilities(q, k, maskOf(ops, x, sizes));
    return [unfold(matMul(p, v)), q, k, v, ...(kept ? [p] : [])];
  }) as [Tensor, ...Tensor[]];
  return {
    value,
    saved,
    reads: kept || x.keyMask === undefined ? [] : ["keyMask"],
    backward: (dy: Tensor, [q, k, v, p]: readonly Tensor[]) => {
      const [query, key, value] = ops.compute(() => {
        const prob = p ?? probabilities(q as Tensor, k as Tensor, maskOf(ops, x, sizes));
        const dOut = fold(dy);
        const ds = scoresGradient(prob, matMul(dOut, v as Tensor, false, true));
        return [
          unfold(scaled(matMul(ds, k as Tensor))),
          unfoldKeys(matMul(ds, q as Tensor, true)),
          unfoldKeys(matMul(prob, dOut, true)),
        ];
      }) as [Tensor, Tensor, Tensor];
      return { query, key, value };
    },
  };
}

const BAND = { T: "float32", Tindex: "int32" };
const FILL = { T: "float32", index_type: "int32" };

/** Additive, `[B or 1, 1, T or 1, S]`; the same for every layer of a model. */
function maskOf(ops: TensorflowOps, { keyMask }: AttentionValues, { b, t, s, causal }: AttentionSizes) {
  if (!causal && keyMask === undefined) return undefined;
  const { add, sub, mul, reshape } = tensorflowMath(ops);
  const hide = (seen: Input) => mul(sub(1, seen), MASKED);
  return ops.latest("attention mask", [t, s, causal, keyMask?.dataId], () => {
    const keys = keyMask === undefined ? undefined : reshape(hide(keyMask), [b, 1, 1, s]);
    if (!causal) return keys as Handle;
    const past = ops.op("MatrixBandPart", [ops.op("Fill", [[1, 1, t, s], 1], FILL), { int: -1 }, { int: s - t }], BAND);
    return keys === undefined ? hide(past) : add(hide(past), keys);
  });
}
