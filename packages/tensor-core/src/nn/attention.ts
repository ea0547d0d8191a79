import { tensorflowOps } from "../backend/tensorflow-ops.ts";
import { type FusedKernels, fusedKernels } from "../kernels/fused-kernels.ts";
import { constant, differentiable, type Operand } from "../operand.ts";
import { add, matMul, mul, softmax, sub, sum, type Tensor, type Tensor4D, tidy } from "../ops.ts";
import {
  type AttentionOptions,
  type AttentionSizes,
  type AttentionValues,
  additiveMask,
  attentionSizes,
  foldHeads,
  foldKeys,
  unfoldHeads,
  unfoldKeys,
} from "./attention-layout.ts";
import { tensorflowAttention } from "./attention-tensorflow.ts";

/** Softmax attention with grouped heads: `[B, T, H, headDim]`. */
export function attention(options: AttentionOptions): Tensor4D {
  const { query, key, value, keyMask } = options;
  const sizes = attentionSizes(options);
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

function portable(x: AttentionValues, sizes: AttentionSizes) {
  const fold = (q: Tensor) => foldHeads(q, sizes);
  const keys = (k: Tensor) => foldKeys(k, sizes);
  const probabilities = () =>
    softmax(add(mul(matMul(fold(x.query), keys(x.key), false, true), sizes.scale), additiveMask(sizes, x.keyMask)));
  return {
    value: tidy(() => unfoldHeads(matMul(probabilities(), keys(x.value)), sizes)),
    // Probabilities are computed again instead of kept: O(T²) memory would outweigh the product.
    backward: (dy: Tensor) => {
      const [q, k, v, p, dOut] = [fold(x.query), keys(x.key), keys(x.value), probabilities(), fold(dy)];
      const dp = matMul(dOut, v, false, true);
      const ds = mul(mul(p, sub(dp, sum(mul(p, dp), -1, true))), sizes.scale);
      return {
        query: unfoldHeads(matMul(ds, k), sizes),
        key: unfoldKeys(matMul(ds, q, true, false), sizes),
        value: unfoldKeys(matMul(p, dOut, true, false), sizes),
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
