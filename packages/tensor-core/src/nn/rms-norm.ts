import { KdError } from "@kd/contract";
import { type Kernel, type TensorflowOps, tensorflowOps } from "../backend/tensorflow-ops.ts";
import { type FusedKernels, fusedKernels } from "../kernels/fused-kernels.ts";
import { differentiable, type Operand, tensorOf } from "../operand.ts";
import { add, mean, mul, reshape, rsqrt, square, sub, sum, type Tensor, type Tensor1D, tidy } from "../ops.ts";
import { tensorflowMath } from "./tensorflow-math.ts";

/**
 * `x / rms(x) · weight` over the last axis, as Llama's and Qwen2's RMSNorm.
 *
 * @param x `[..., D]`
 * @param weight `[D]`
 * @param options.epsilon added to the mean square; 1e-6 as in Qwen2's configuration
 */
export function rmsNorm(
  x: Operand,
  weight: Operand<Tensor1D>,
  { epsilon = 1e-6 }: { readonly epsilon?: number } = {},
): Tensor {
  const width = tensorOf(weight).size;
  if (tensorOf(x).shape.at(-1) !== width)
    throw new KdError("KD_SHAPE", `rmsNorm: x must be [..., ${width}], got [${tensorOf(x).shape.join(", ")}]`);
  return differentiable({ x, weight }, (t) => {
    const [k, ops] = [fusedKernels(), tensorflowOps()];
    if (ops) return ops.kernel ? inTensorflow(ops, ops.kernel, t, epsilon) : tensorflow(ops, t, epsilon);
    return k ? fused(k, t, epsilon) : portable(t, epsilon);
  });
}

type Values = Record<"x" | "weight", Tensor>;
type Wants = (name: "x" | "weight") => boolean;

function portable(t: Values, epsilon: number) {
  const inverse = (x: Tensor) => rsqrt(add(mean(square(x), -1, true), epsilon));
  return {
    value: tidy(() => mul(mul(t.x, inverse(t.x)), t.weight)),
    backward: (dy: Tensor, _: readonly Tensor[], wants: Wants) => {
      const r = inverse(t.x);
      const normed = mul(t.x, r);
      const scaled = mul(dy, t.weight);
      return {
        ...(wants("x") ? { x: mul(r, sub(scaled, mul(normed, mean(mul(scaled, normed), -1, true)))) } : {}),
        ...(wants("weight") ? { weight: sum(reshape(mul(dy, normed), [-1, t.weight.size]), 0) } : {}),
      };
    },
  };
}

function tensorflow(ops: TensorflowOps, t: Values, epsilon: number) {
  const { add, mul, sub, matMul, reshape, rows, reduce, sumRows } = tensorflowMath(ops);
  const [shape, width] = [t.x.shape, t.weight.size];
  const [value, normed, inverse] = ops.compute(() => {
    const x = rows(t.x);
    const r = ops.op("Rsqrt", [add(reduce("Mean", ops.op("Square", [x])), epsilon)]);
    const normed = mul(x, r);
    return [reshape(mul(normed, t.weight), shape), normed, r];
  }) as [Tensor, Tensor, Tensor];
  return {
    value,
    saved: [normed, inverse], // in the place of x
    reads: ["weight" as const],
    backward: (dy: Tensor, [n, r]: readonly Tensor[], _: Wants) => {
      const [x, weight] = ops.compute(() => {
        const [normed, d] = [n as Tensor, rows(dy)];
        const both = mul(d, normed);
        const share = matMul(both, reshape(mul(t.weight, 1 / width), [width, 1])); // mean of normed · dy · weight
        const x = mul(sub(mul(d, t.weight), mul(normed, share)), r as Tensor);
        return [reshape(x, shape), sumRows(both)];
      }) as [Tensor, Tensor];
      return { x, weight };
    },
  };
}

/** By our own kernels inside TensorFlow. */
function inTensorflow({ compute }: TensorflowOps, kernel: Kernel, t: Values, epsilon: number) {
  const [value, inverse] = compute(() => kernel("KdRmsNorm", [t.x, t.weight, epsilon], 2)) as [Tensor, Tensor];
  return {
    value,
    saved: [inverse],
    backward: (dy: Tensor, [r]: readonly Tensor[], _: Wants) => {
      const inputs = [dy, t.x, t.weight, r as Tensor];
      const [x, weight] = compute(() => kernel("KdRmsNormGrad", inputs, 2)) as [Tensor, Tensor];
      return { x, weight };
    },
  };
}

function fused(k: FusedKernels, t: Values, epsilon: number) {
  const width = t.weight.size;
  const rows = t.x.size / width;
  const value = k.output(t.x.shape);
  const inverse = k.output([rows]);
  const inputs = [t.x, t.weight, value, inverse].map((x) => k.address(x));
  k.run("rmsFwd", [...inputs, width, epsilon], rows, { work: t.x.size });
  return {
    value,
    saved: [inverse],
    backward: (dy: Tensor, [r]: readonly Tensor[], _: Wants) => {
      const x = k.output(t.x.shape);
      const weight = k.output([width]);
      const args = [dy, t.x, t.weight, r as Tensor, x].map((tensor) => k.address(tensor));
      const sum = { work: 2 * dy.size, at: 5, size: width, into: k.address(weight) };
      k.runSum("rmsBwd", [...args, 0, width], rows, sum);
      return { x, weight }; // one pass gives both; an unwanted [D] is free
    },
  };
}
