import type { TensorflowOps } from "../backend/tensorflow-ops.ts";
import { keep, mul, scalar, type Tensor, tidy, type Variable } from "../ops.ts";
import type { AdamWStep } from "./adamw.ts";

// A variable of TensorFlow's under this name belongs to its handle and is freed with it.
const ANONYMOUS = "cd2c89b7-88b7-44c8-ad83-06c2a9158347";

/**
 * The body of adamWStep by TensorFlow's ResourceApplyAdam, which reads and writes everything once. Parameter and moments stay tensors: they
 * are lent to variables of TensorFlow's for the one operation, without a copy.
 */
export function tensorflowAdamW(ops: TensorflowOps, options: Required<AdamWStep>): void {
  const { params, grads, m, v, lr, beta1, beta2, epsilon, weightDecay, step, gradientScale } = options;
  const [correction1, correction2] = [1 - beta1 ** step, Math.sqrt(1 - beta2 ** step)];
  tidy(() => {
    // its own bias correction is in float32 and adds epsilon elsewhere: with powers of 0 it does none
    const rates = [0, 0, (lr * correction2) / correction1, beta1, beta2, epsilon * correction2].map((x) => scalar(x));
    for (const [i, param] of params.entries()) {
      const [g, m0, v0] = [grads[i], m[i], v[i]] as [Tensor, Tensor, Tensor];
      const decay = 1 - lr * (weightDecay[i] ?? 0);
      const [next, m1, v1] = tidy(() => {
        const decayed = decay === 1 ? param.clone() : mul(param, decay);
        const scaled = gradientScale === 1 ? g : mul(g, gradientScale);
        const handles = [decayed, m0, v0].map((tensor) => lend(ops, tensor));
        decayed.dispose();
        m0.dispose();
        v0.dispose();
        const attributes = { T: "float32", use_locking: false, use_nesterov: false };
        ops.run("ResourceApplyAdam", [...handles, ...rates, scaled], 0, attributes);
        return handles.map((handle) => ops.run("ReadVariableOp", [handle], 1, { dtype: "float32" })[0] as Tensor);
      }) as [Tensor, Tensor, Tensor];
      param.assign(next as Variable);
      next.dispose();
      [m[i], v[i]] = [keep(m1), keep(v1)];
    }
  });
}

/** The handle of a variable that holds the tensor's data; with the tensor disposed of, it is the only one to do so. */
function lend(ops: TensorflowOps, tensor: Tensor): Tensor {
  const attributes = { dtype: "float32", shape: tensor.shape, shared_name: ANONYMOUS, container: "" };
  const [handle] = ops.run("VarHandleOp", [], 1, attributes) as [Tensor];
  ops.run("AssignVariableOp", [handle, tensor], 0, { dtype: "float32" });
  return handle;
}
