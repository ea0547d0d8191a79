import { constant, differentiable, type Operand } from "../operand.ts";
import { add, matMul, mul, reshape, softmax, sub, sum, type Tensor, type Tensor4D, tidy } from "../ops.ts";
import {
  type AttentionOptions,
  additiveMask,
  attentionSizes,
  foldHeads,
  foldKeys,
  unfoldHeads,
  unfoldKeys,
} from "./attention-layout.ts";

/**
 * The weights that `attention` takes its average with, `[B, H, T, S]`: each row adds up to 1. Whoever needs them pays for them here;
 * `attention` itself never keeps them.
 *
 * @throws KdError `KD_SHAPE` as `attention`.
 */
export function attentionMaps(options: Omit<AttentionOptions, "value">): Tensor4D {
  const { query, key, keyMask } = options;
  const sizes = attentionSizes({ ...options, value: key });
  const { b, t, s, h, kv, scale } = sizes;
  const operands: Record<string, Operand> = {
    query,
    key,
    ...(keyMask === undefined ? {} : { keyMask: constant(keyMask) }),
  };
  return differentiable(operands, (x) => {
    const value = tidy(() => {
      const scores = mul(
        matMul(foldHeads(x.query as Tensor, sizes), foldKeys(x.key as Tensor, sizes), false, true),
        scale,
      );
      return reshape(softmax(add(scores, additiveMask(sizes, x.keyMask))), [b, h, t, s]);
    });
    return {
      value,
      saved: [value.clone()],
      backward: (dy, [maps]) => {
        const [p, d] = [maps as Tensor, dy].map((m) => reshape(m, [b * kv, (h / kv) * t, s])) as [Tensor, Tensor];
        const ds = mul(mul(p, sub(d, sum(mul(p, d), -1, true))), scale);
        return {
          query: unfoldHeads(matMul(ds, foldKeys(x.key as Tensor, sizes)), sizes),
          key: unfoldKeys(matMul(ds, foldHeads(x.query as Tensor, sizes), true, false), sizes),
        };
      },
    };
  }) as Tensor4D;
}
