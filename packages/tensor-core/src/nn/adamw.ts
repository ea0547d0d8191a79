import { KdError } from "@kd/contract";
import { tensorflowOps } from "../backend/tensorflow-ops.ts";
import { fusedKernels } from "../kernels/binding.ts";
import {
  add,
  div,
  keep,
  mul,
  type Scalar,
  scalar,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tidy,
  type Variable,
} from "../ops.ts";
import { tensorflowAdamW } from "./adamw-tensorflow.ts";

/** Options of {@link adamWStep}; one entry a parameter in each array. */
export interface AdamWStep {
  readonly params: readonly Variable[];
  readonly grads: readonly Tensor[];
  /** First moments, one a parameter; the arrays' entries are replaced. */
  readonly m: Tensor[];
  /** Second moments, likewise. */
  readonly v: Tensor[];
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled decay, one a parameter. */
  readonly weightDecay: readonly number[];
  /** Counts from 1. */
  readonly step: number;
  /** Multiplies every gradient first: clipping without a pass of its own. @defaultValue 1 */
  readonly gradientScale?: number;
}

/** One step of AdamW (arXiv 1711.05101) on all parameters, in PyTorch's order: decay, moments, update. */
export function adamWStep(options: AdamWStep): void {
  const { params, grads, m, v, lr, beta1, beta2, epsilon, weightDecay, step, gradientScale = 1 } = options;
  if (grads.length !== params.length || m.length !== params.length || v.length !== params.length)
    throw new KdError(
      "KD_SHAPE",
      `adamWStep: ${params.length} parameters need as many gradients and moments, got ${grads.length}, ${m.length}, ${v.length}`,
    );
  for (const [i, { size }] of params.entries()) {
    const sizes = [grads[i], m[i], v[i]].map((tensor) => tensor?.size);
    if (sizes.some((other) => other !== size))
      throw new KdError(
        "KD_SHAPE",
        `adamWStep: gradient and moments of parameter ${i} must have its size ${size}, got ${sizes.join(", ")}`,
      );
  }
  const ops = tensorflowOps();
  if (ops !== undefined) {
    tensorflowAdamW(ops, { ...options, gradientScale });
    return;
  }
  const k = fusedKernels();
  const correction1 = 1 - beta1 ** step;
  const correction2 = 1 - beta2 ** step;
  for (const [i, param] of params.entries()) {
    const [g, m0, v0] = [grads[i], m[i], v[i]] as [Tensor, Tensor, Tensor];
    const decay = weightDecay[i] ?? 0;
    if (k !== undefined) {
      // A new tensor, not the old one changed: tfjs's matMul caches packed weights by tensor.
      const next = k.output(param.shape);
      k.x.adamw(
        k.address(param),
        k.address(next),
        k.address(g),
        k.address(m0),
        k.address(v0),
        gradientScale,
        lr,
        beta1,
        beta2,
        correction1,
        correction2,
        epsilon,
        decay,
        param.size,
      );
      param.assign(next);
      next.dispose();
      continue;
    }
    const [m1, v1] = tidy(() => {
      const scaled = mul(g, gradientScale);
      const first = add(mul(m0, beta1), mul(scaled, 1 - beta1));
      const second = add(mul(v0, beta2), mul(square(scaled), 1 - beta2));
      const change = div(mul(first, lr / correction1), add(sqrt(div(second, correction2)), epsilon));
      param.assign(sub(mul(param, 1 - lr * decay), change) as Variable);
      return [keep(first), keep(second)];
    }) as [Tensor, Tensor];
    m0.dispose();
    v0.dispose();
    m[i] = m1;
    v[i] = v1;
  }
}

/** Sum of the squares of all elements of all tensors: the square of the global gradient norm. */
export function sumOfSquares(tensors: readonly Tensor[]): Scalar {
  const k = fusedKernels();
  if (k !== undefined) {
    let total = 0;
    for (const tensor of tensors) total += k.x.sumOfSquares(k.address(tensor), tensor.size);
    return scalar(total);
  }
  const ops = tensorflowOps();
  const squares = (t: Tensor): Tensor =>
    ops === undefined ? sum(square(t)) : mul(ops.run("L2Loss", [t], 1)[0] as Tensor, 2); // L2Loss is half of it
  return tidy(() => tensors.reduce((total: Tensor, t) => add(total, squares(t)), scalar(0))) as Scalar;
}
