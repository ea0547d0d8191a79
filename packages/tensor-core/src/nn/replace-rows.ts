import { scatterND } from "@tensorflow/tfjs-core";
import { type FusedKernels, fusedKernels } from "../kernels/fused-kernels.ts";
import { constant, differentiable, type Operand, tensorOf } from "../operand.ts";
import {
  add,
  gather,
  mul,
  ones,
  reshape,
  sub,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tidy,
  zeros,
} from "../ops.ts";
import { assertShapes } from "../shape.ts";

/**
 * `x` with the rows at `rows` replaced: image features at image-token positions.
 *
 * @param x `[M, D]`
 * @param rows int32 `[N]`, distinct, each below M
 * @param values `[N, D]`
 * @returns `[M, D]`
 */
export function replaceRows(x: Operand<Tensor2D>, rows: Tensor1D, values: Operand<Tensor2D>): Tensor2D {
  assertShapes("replaceRows", { x: [tensorOf(x), "M D"], rows: [rows, "N"], values: [tensorOf(values), "N D"] });
  return differentiable({ x, rows: constant(rows), values }, (t) => {
    const k = fusedKernels();
    return k ? fused(k, t) : portable(t);
  }) as Tensor2D;
}

type Name = "x" | "rows" | "values";

function portable(t: Record<Name, Tensor>) {
  const [count, width] = t.x.shape as [number, number];
  const index = () => reshape(t.rows, [-1, 1]);
  const kept = () => reshape(sub(1, scatterND(index(), ones([t.rows.size]), [count])), [count, 1]);
  return {
    value: tidy(() => add(mul(t.x, kept()), scatterND(index(), t.values, [count, width]))),
    backward: (dy: Tensor, _: readonly Tensor[], wants: (name: Name) => boolean) => ({
      ...(wants("x") ? { x: tidy(() => mul(dy, kept())) } : {}),
      ...(wants("values") ? { values: t.rows.size > 0 ? gather(dy, t.rows as Tensor1D) : zeros([0, width]) } : {}),
    }),
  };
}

function fused(k: FusedKernels, t: Record<Name, Tensor>) {
  const [count, width] = t.x.shape as [number, number];
  const replaced = (base: Tensor, source: number): Tensor => {
    const out = k.output([count, width]);
    k.run("copy", [k.address(base), k.address(out)], out.size, { work: out.size });
    const args = [source, k.address(t.rows), k.address(out), width];
    k.run("putRows", args, t.rows.size, { work: t.rows.size * width });
    return out;
  };
  return {
    value: replaced(t.x, k.address(t.values)),
    backward: (dy: Tensor, _: readonly Tensor[], wants: (name: Name) => boolean) => {
      const gradient: { x?: Tensor; values?: Tensor } = {};
      if (wants("x")) gradient.x = replaced(dy, 0);
      if (wants("values")) {
        gradient.values = k.output([t.rows.size, width]);
        const args = [k.address(dy), k.address(t.rows), k.address(gradient.values), width];
        k.run("gatherRows", args, t.rows.size, { work: t.rows.size * width });
      }
      return gradient;
    },
  };
}
