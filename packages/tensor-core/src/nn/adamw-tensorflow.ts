import type { Handle, Kernel, TensorflowOps } from "../backend/tensorflow-ops.ts";
import { clone, keep, mul, type Tensor, type Variable } from "../ops.ts";
import type { AdamWStep } from "./adamw.ts";

// A variable of TensorFlow's under this name belongs to its handle and is freed with it.
const VARIABLE = { dtype: "float32", shape: [], shared_name: "cd2c89b7-88b7-44c8-ad83-06c2a9158347", container: "" };
const VALUE = { dtype: "float32" };
const ADAM = { T: "float32", use_locking: false, use_nesterov: false };

/** The body of adamWStep by our own kernel inside TensorFlow. */
export function kernelAdamW(ops: TensorflowOps, kernel: Kernel, options: Required<AdamWStep>): void {
  const { params, grads, m, v, lr, beta1, beta2, epsilon, weightDecay, step, gradientScale } = options;
  const rate = lr / (1 - beta1 ** step);
  const rates = [beta1, 1 - beta1, beta2, 1 - beta2, rate, 1 / Math.sqrt(1 - beta2 ** step), epsilon, gradientScale];
  ops.compute(() => {
    const packed = ops.op("Pack", rates, { T: "float32", N: rates.length, axis: 0 });
    for (const [i, param] of params.entries()) {
      const [g, m0, v0] = [grads[i], m[i], v[i]] as [Tensor, Tensor, Tensor];
      const inputs = [param, g, m0, v0, packed, 1 - lr * (weightDecay[i] ?? 0)];
      const [next, m1, v1] = ops.compute(() => kernel("KdAdamW", inputs, 3)) as [Variable, Tensor, Tensor];
      param.assign(next);
      for (const used of [next, m0, v0]) used.dispose();
      [m[i], v[i]] = [keep(m1), keep(v1)];
    }
    return [];
  });
}

/**
 * The body of adamWStep by TensorFlow's ResourceApplyAdam, which reads and writes everything once. Parameter and moments stay tensors: they
 * are lent to three variables of TensorFlow's for the one operation, without a copy.
 */
export function tensorflowAdamW(ops: TensorflowOps, options: Required<AdamWStep>): void {
  const { params, grads, m, v, lr, beta1, beta2, epsilon, weightDecay, step, gradientScale } = options;
  const [correction1, correction2] = [1 - beta1 ** step, Math.sqrt(1 - beta2 ** step)];
  // its own bias correction is in float32 and adds epsilon elsewhere: with powers of 0 it does none
  const rates = [0, 0, (lr * correction2) / correction1, beta1, beta2, epsilon * correction2];
  ops.compute(() => {
    const variables = [0, 1, 2].map(() => ops.op("VarHandleOp", [], VARIABLE));
    for (const [i, param] of params.entries()) {
      const [g, m0, v0] = [grads[i], m[i], v[i]] as [Tensor, Tensor, Tensor];
      const decay = 1 - lr * (weightDecay[i] ?? 0);
      const decayed = decay === 1 ? clone(param) : mul(param, decay);
      for (const [j, tensor] of [decayed, m0, v0].entries()) {
        ops.ops("AssignVariableOp", [variables[j] as Handle, tensor], 0, VALUE);
        tensor.dispose(); // the variable is the only one to hold its data, and changes it in place
      }
      const [next, m1, v1] = ops.compute(() => {
        const scaled = gradientScale === 1 ? g : ops.op("Mul", [g, gradientScale]);
        ops.ops("ResourceApplyAdam", [...variables, ...rates, scaled], 0, ADAM);
        return variables.map((variable) => ops.op("ReadVariableOp", [variable], VALUE));
      }) as [Variable, Tensor, Tensor];
      param.assign(next);
      next.dispose();
      [m[i], v[i]] = [keep(m1), keep(v1)];
    }
    return [];
  });
}
