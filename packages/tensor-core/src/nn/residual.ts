import { KdError } from "@kd/contract";
import { differentiable, type Operand, tensorOf } from "../operand.ts";
import { add, clone, type Tensor } from "../ops.ts";

/** `x + y` of one shape, as around the blocks of a transformer; unlike tfjs's `add` it lets go of its gradient at once. */
export function residual(x: Operand, y: Operand): Tensor {
  const [a, b] = [tensorOf(x).shape.join(", "), tensorOf(y).shape.join(", ")];
  if (a !== b) throw new KdError("KD_SHAPE", `residual: x and y must have one shape, got [${a}] and [${b}]`);
  return differentiable({ x, y }, (t) => ({
    value: add(t.x, t.y),
    reads: [],
    backward: (dy: Tensor, _: readonly Tensor[], wants: (name: "x" | "y") => boolean) => ({
      ...(wants("x") ? { x: clone(dy) } : {}), // handles of one memory
      ...(wants("y") ? { y: clone(dy) } : {}),
    }),
  }));
}
