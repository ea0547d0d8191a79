import { KdError } from "@kd/contract";
import { type Kernel, type TensorflowOps, tensorflowOps } from "../backend/tensorflow-ops.ts";
import { fusedKernels } from "../kernels/fused-kernels.ts";
import { differentiable, type Operand, tensorOf } from "../operand.ts";
import { add, mul, sigmoid, sub, type Tensor, tidy } from "../ops.ts";
import { tensorflowMath } from "./tensorflow-math.ts";

/** `silu(gate) · up` (arXiv 2002.05202), both of one shape. */
export function swiglu(gate: Operand, up: Operand): Tensor {
  const [a, b] = [tensorOf(gate).shape.join(", "), tensorOf(up).shape.join(", ")];
  if (a !== b) throw new KdError("KD_SHAPE", `swiglu: gate and up must have one shape, got [${a}] and [${b}]`);
  return differentiable({ gate, up }, (t) => {
    const ops = tensorflowOps();
    if (ops !== undefined) return ops.kernel ? inTensorflow(ops, ops.kernel, t) : tensorflow(ops, t);
    const k = fusedKernels();
    if (k === undefined) {
      return {
        value: tidy(() => mul(mul(t.gate, sigmoid(t.gate)), t.up)),
        backward: (dy: Tensor, _: readonly Tensor[], wants: (name: "gate" | "up") => boolean) => {
          const s = sigmoid(t.gate);
          const silu = mul(t.gate, s);
          return {
            ...(wants("gate") ? { gate: mul(mul(dy, t.up), add(s, mul(silu, sub(1, s)))) } : {}),
            ...(wants("up") ? { up: mul(dy, silu) } : {}),
          };
        },
      };
    }
    const value = k.output(t.gate.shape);
    const work = { work: 4 * value.size, grain: 16 };
    k.run("swigluFwd", [k.address(t.gate), k.address(t.up), k.address(value)], value.size, work);
    const backward = (dy: Tensor) => {
      const gate = k.output(t.gate.shape);
      const up = k.output(t.gate.shape);
      const args = [dy, t.gate, t.up, gate, up].map((x) => k.address(x));
      k.run("swigluBwd", args, dy.size, work);
      return { gate, up };
    };
    return { value, backward };
  });
}

/** By our own kernels inside TensorFlow. */
function inTensorflow({ compute }: TensorflowOps, kernel: Kernel, t: Record<"gate" | "up", Tensor>) {
  const [value] = compute(() => kernel("KdSwiglu", [t.gate, t.up])) as [Tensor];
  const backward = (dy: Tensor) => {
    const [gate, up] = compute(() => kernel("KdSwigluGrad", [dy, t.gate, t.up], 2)) as [Tensor, Tensor];
    return { gate, up };
  };
  return { value, backward };
}

function tensorflow(ops: TensorflowOps, t: Record<"gate" | "up", Tensor>) {
  const { add, mul } = tensorflowMath(ops);
  const [value, ...saved] = ops.compute(() => {
    const s = ops.op("Sigmoid", [t.gate]);
    const silu = mul(t.gate, s);
    return [mul(silu, t.up), s, silu];
  }) as [Tensor, ...Tensor[]];
  return {
    value,
    saved, // read again rather than made again
    backward: (dy: Tensor, [s, silu]: readonly Tensor[]) => {
      const [gate, up] = ops.compute(() => {
        const slope = add(s as Tensor, ops.op("SigmoidGrad", [s as Tensor, t.gate])); // s + gate · s · (1 − s)
        return [mul(mul(dy, t.up), slope), mul(dy, silu as Tensor)];
      }) as [Tensor, Tensor];
      return { gate, up };
    },
  };
}
