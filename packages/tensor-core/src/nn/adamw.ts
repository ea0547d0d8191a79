import { KdError } from "@kd/contract";
import { tensorflowOps } from "../backend/tensorflow-ops.ts";
import { type FusedKernels, fusedKernels } from "../kernels/fused-kernels.ts";
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
import { kernelAdamW, tensorflowAdamW } from "./adamw-tensorflow.ts";

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
    const whole = { ...options, gradientScale };
    if (ops.kernel) kernelAdamW(ops, ops.kernel, whole);
    else tensorflowAdamW(ops, whole);
    return;
  }
  const settings = { lr, beta1, beta2, epsilon, correction1: 1 - beta1 ** step, correction2: 1 - beta2 ** step };
  const k = fusedKernels();
  const update = k === undefined ? portable : fused.bind(undefined, k);
  update({ params, grads, m, v, weightDecay, gradientScale }, settings);
}

type Tensors = Required<Pick<AdamWStep, "params" | "grads" | "m" | "v" | "weightDecay" | "gradientScale">>;
type Settings = Record<"lr" | "beta1" | "beta2" | "epsilon" | "correction1" | "correction2", number>;

const RECORD = 32; // bytes of a parameter's record, see kernels/assembly/adamw.ts

function fused(k: FusedKernels, { params, grads, m, v, weightDecay, gradientScale }: Tensors, s: Settings): void {
  if (params.length === 0) return;
  // New tensors, not the old ones changed: tfjs's matMul caches packed weights by tensor.
  const next = params.map((param) => k.output(param.shape));
  const total = params.reduce((sum, { size }) => sum + size, 0);
  k.withScratch(params.length * RECORD, (list) => {
    const records = new DataView(k.buffer(), list, params.length * RECORD);
    for (const [i, param] of params.entries()) {
      const addresses = [param, next[i], grads[i], m[i], v[i]].map((tensor) => k.address(tensor as Tensor));
      for (const [j, address] of addresses.entries()) records.setUint32(i * RECORD + 4 * j, address, true);
      records.setInt32(i * RECORD + 20, param.size, true);
      records.setFloat32(i * RECORD + 24, weightDecay[i] ?? 0, true);
    }
    const rates = [s.lr, s.beta1, s.beta2, s.correction1, s.correction2, s.epsilon];
    k.run("adamw", [list, gradientScale, ...rates], total, { work: 4 * total, grain: 16 });
  });
  for (const [i, param] of params.entries()) {
    param.assign(next[i] as Tensor);
    next[i]?.dispose();
  }
}

function portable({ params, grads, m, v, weightDecay, gradientScale }: Tensors, s: Settings): void {
  for (const [i, param] of params.entries()) {
    const [g, m0, v0] = [grads[i], m[i], v[i]] as [Tensor, Tensor, Tensor];
    const [m1, v1] = tidy(() => {
      const scaled = mul(g, gradientScale);
      const first = add(mul(m0, s.beta1), mul(scaled, 1 - s.beta1));
      const second = add(mul(v0, s.beta2), mul(square(scaled), 1 - s.beta2));
      const change = div(mul(first, s.lr / s.correction1), add(sqrt(div(second, s.correction2)), s.epsilon));
      param.assign(sub(mul(param, 1 - s.lr * (weightDecay[i] ?? 0)), change) as Variable);
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
  if (k === undefined) return composedSum(tensors);
  let total = 0;
  for (const tensor of tensors) {
    const work = 2 * tensor.size;
    const chunks = k.chunks(tensor.size, work, 16);
    k.withScratch(8 * chunks, (parts) => {
      new Float64Array(k.buffer(), parts, chunks).fill(0);
      k.run("sumOfSquares", [k.address(tensor), parts], tensor.size, {
        work,
        grain: 16,
        chunks,
        strided: 1,
        stride: 8,
      });
      for (const part of new Float64Array(k.buffer(), parts, chunks)) total += part;
    });
  }
  return scalar(total);
}

function composedSum(tensors: readonly Tensor[]): Scalar {
  const ops = tensorflowOps();
  if (ops === undefined || tensors.length === 0)
    return tidy(() => tensors.reduce((total: Tensor, t) => add(total, sum(square(t))), scalar(0))) as Scalar;
  return ops.compute(() => {
    const halves = tensors.map((t) => ops.op("L2Loss", [t])); // half of the squares
    return [ops.op("Mul", [ops.op("AddN", halves, { T: "float32", N: halves.length }), 2])];
  })[0] as Scalar;
}
