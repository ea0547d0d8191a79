import { KdError } from "@kd/contract";
import { type Handle, type TensorflowOps, tensorflowOps } from "../backend/tensorflow-ops.ts";
import { isLargeHalf, wideSlices } from "../half.ts";
import { type FusedKernels, fusedKernels } from "../kernels/fused-kernels.ts";
import { differentiable, type Operand, tensorOf } from "../operand.ts";
import { add, concat, matMul, reshape, sum, type Tensor, type Tensor1D, type Tensor2D, tidy } from "../ops.ts";
import { tensorflowMath } from "./tensorflow-math.ts";

/**
 * `x · weightᵀ + bias`, as `torch.nn.functional.linear`.
 *
 * @param x `[..., in]`
 * @param weight `[out, in]`, the layout of PyTorch and Hugging Face files
 * @param bias `[out]`; none by default
 * @returns `[..., out]`
 */
export function linear(x: Operand, weight: Operand<Tensor2D>, bias?: Operand<Tensor1D>): Tensor {
  const shape = tensorOf(x).shape;
  const [width, inputs] = tensorOf(weight).shape;
  if (shape.length < 2 || shape.at(-1) !== inputs)
    throw new KdError(
      "KD_SHAPE",
      `linear: x must be [..., ${inputs}] for a weight [${width}, ${inputs}], got [${shape.join(", ")}]`,
    );
  if (bias !== undefined && (tensorOf(bias).shape.length !== 1 || tensorOf(bias).shape[0] !== width))
    throw new KdError("KD_SHAPE", `linear: bias must be [${width}], got [${tensorOf(bias).shape.join(", ")}]`);
  if (bias === undefined && isLargeHalf(tensorOf(weight)))
    return tidy(() =>
      concat(
        wideSlices(tensorOf(weight)).map((slice) => linear(x, slice)),
        -1,
      ),
    );
  const operands: Record<string, Operand> = bias === undefined ? { x, weight } : { x, weight, bias };
  return differentiable(operands, (t) => {
    const [k, ops] = [fusedKernels(), tensorflowOps()];
    if (ops) return tensorflow(ops, t);
    return k ? fused(k, t) : portable(t);
  });
}

interface Values {
  [name: string]: Tensor;
}

const rows = (t: Tensor): Tensor2D => reshape(t, [-1, t.shape.at(-1) as number]) as Tensor2D;

function portable(t: Values) {
  const { x, weight, bias } = t as Record<"x" | "weight", Tensor> & { bias?: Tensor };
  const shape = [...x.shape.slice(0, -1), weight.shape[0] as number];
  const value = tidy(() => {
    const y = matMul(rows(x), weight as Tensor2D, false, true);
    return reshape(bias === undefined ? y : add(y, bias), shape);
  });
  const backward = (dy: Tensor, _: readonly Tensor[], wants: (name: string) => boolean) => {
    const gradient: Record<string, Tensor> = {};
    const d = rows(dy);
    if (wants("x")) gradient.x = reshape(matMul(d, t.weight as Tensor2D), (t.x as Tensor).shape);
    if (wants("weight")) gradient.weight = matMul(d, rows(t.x as Tensor), true, false);
    if (wants("bias")) gradient.bias = sum(d, 0);
    return gradient;
  };
  return { value, backward };
}

const BIAS = { T: "float32", data_format: "NHWC" };

function tensorflow(ops: TensorflowOps, t: Values) {
  const { matMul, reshape, rows, sumRows } = tensorflowMath(ops);
  const { x, weight, bias } = t as Record<"x" | "weight", Tensor> & { bias?: Tensor };
  const [value] = ops.compute(() => {
    const y = matMul(rows(x), weight, false, true);
    const shape = [...x.shape.slice(0, -1), weight.shape[0] as number];
    return [reshape(bias === undefined ? y : ops.op("BiasAdd", [y, bias], BIAS), shape)];
  }) as [Tensor];
  const backward = (dy: Tensor, _: readonly Tensor[], wants: (name: string) => boolean) => {
    const names = Object.keys(t).filter(wants);
    const gradients = ops.compute(() => {
      const d = rows(dy);
      const of: Record<string, () => Handle> = {
        x: () => reshape(matMul(d, t.weight as Tensor), (t.x as Tensor).shape),
        weight: () => matMul(d, rows(t.x as Tensor), true),
        bias: () => sumRows(d),
      };
      return names.map((name) => (of[name] as () => Handle)());
    });
    return Object.fromEntries(names.map((name, i) => [name, gradients[i] as Tensor]));
  };
  return { value, backward, reads: Object.keys(t).filter((name) => name !== "bias") };
}

function fused(k: FusedKernels, t: Values) {
  const { x, weight, bias } = t as Record<"x" | "weight", Tensor> & { bias?: Tensor };
  const [n, inputs] = weight.shape as [number, number];
  const m = x.size / inputs;
  const value = k.output([...x.shape.slice(0, -1), n]);
  k.gemm(false, true, m, n, inputs, 1, k.address(x), inputs, k.address(weight), inputs, 0, k.address(value), n);
  if (bias !== undefined && m > 0) k.run("addBias", [k.address(value), k.address(bias), n], m, { work: m * n });
  const backward = (dy: Tensor, _: readonly Tensor[], wants: (name: string) => boolean) => {
    const gradient: Record<string, Tensor> = {};
    const d = k.address(dy);
    if (wants("x")) {
      gradient.x = k.output((t.x as Tensor).shape);
      k.gemm(
        false,
        false,
        m,
        inputs,
        n,
        1,
        d,
        n,
        k.address(t.weight as Tensor),
        inputs,
        0,
        k.address(gradient.x),
        inputs,
      );
    }
    if (wants("weight")) {
      gradient.weight = m > 0 ? k.output([n, inputs]) : k.zeros([n, inputs]); // a product of no rows writes nothing
      k.gemm(
        true,
        false,
        n,
        inputs,
        m,
        1,
        d,
        n,
        k.address(t.x as Tensor),
        inputs,
        0,
        k.address(gradient.weight),
        inputs,
      );
    }
    if (wants("bias")) {
      gradient.bias = k.output([n]);
      k.runSum("colSum", [d, 0, n], m, { work: m * n, at: 1, size: n, into: k.address(gradient.bias) });
    }
    return gradient;
  };
  return { value, backward };
}
