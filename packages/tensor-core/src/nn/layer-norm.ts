import { KdError } from "@kd/contract";
import { type FusedKernels, fusedKernels } from "../kernels/fused-kernels.ts";
import { differentiable, type Operand, tensorOf } from "../operand.ts";
import { add, mean, mul, reshape, rsqrt, slice, square, sub, sum, type Tensor, type Tensor1D, tidy } from "../ops.ts";

/**
 * Layer normalisation over the last axis, as `torch.nn.functional.layer_norm`.
 *
 * @param x `[..., D]`
 * @param weight `[D]`
 * @param bias `[D]`
 * @param options.epsilon added to the variance; 1e-6 as in SigLIP's configuration
 */
export function layerNorm(
  x: Operand,
  weight: Operand<Tensor1D>,
  bias: Operand<Tensor1D>,
  { epsilon = 1e-6 }: { readonly epsilon?: number } = {},
): Tensor {
  const width = tensorOf(weight).size;
  if (tensorOf(x).shape.at(-1) !== width || tensorOf(bias).size !== width)
    throw new KdError(
      "KD_SHAPE",
      `layerNorm: x must be [..., ${width}] and bias [${width}], got [${tensorOf(x).shape.join(", ")}] and [${tensorOf(bias).shape.join(", ")}]`,
    );
  return differentiable({ x, weight, bias }, (t) => {
    const k = fusedKernels();
    return k ? fused(k, t, epsilon) : portable(t, epsilon);
  });
}

type Name = "x" | "weight" | "bias";
type Values = Record<Name, Tensor>;

function portable(t: Values, epsilon: number) {
  const statistics = () => {
    const centred = sub(t.x, mean(t.x, -1, true));
    const r = rsqrt(add(mean(square(centred), -1, true), epsilon));
    return { normed: mul(centred, r), r };
  };
  return {
    value: tidy(() => add(mul(statistics().normed, t.weight), t.bias)),
    backward: (dy: Tensor, _: readonly Tensor[], wants: (name: Name) => boolean) => {
      const { normed, r } = statistics();
      const scaled = mul(dy, t.weight);
      const flat = (d: Tensor) => sum(reshape(d, [-1, t.weight.size]), 0);
      return {
        ...(wants("x")
          ? { x: mul(r, sub(sub(scaled, mean(scaled, -1, true)), mul(normed, mean(mul(scaled, normed), -1, true)))) }
          : {}),
        ...(wants("weight") ? { weight: flat(mul(dy, normed)) } : {}),
        ...(wants("bias") ? { bias: flat(dy) } : {}),
      };
    },
  };
}

function fused(k: FusedKernels, t: Values, epsilon: number) {
  const width = t.weight.size;
  const rows = t.x.size / width;
  const value = k.output(t.x.shape);
  const statistics = k.output([rows, 2]); // mean, 1 / standard deviation
  const inputs = [t.x, t.weight, t.bias, value, statistics].map((x) => k.address(x));
  k.run("layerNormFwd", [...inputs, width, epsilon], rows, { work: 2 * t.x.size });
  return {
    value,
    saved: [statistics],
    backward: (dy: Tensor, [s]: readonly Tensor[], _: (name: Name) => boolean) => {
      const x = k.output(t.x.shape);
      const both = k.output([2, width]);
      const args = [dy, t.x, t.weight, s as Tensor, x].map((tensor) => k.address(tensor));
      const sum = { work: 2 * dy.size, at: 5, size: 2 * width, into: k.address(both) };
      k.runSum("layerNormBwd", [...args, 0, width], rows, sum);
      const [weight, bias] = [0, 1].map((row) => reshape(slice(both, [row, 0], [1, width]), [width]));
      both.dispose();
      return { x, weight: weight as Tensor, bias: bias as Tensor };
    },
  };
}
