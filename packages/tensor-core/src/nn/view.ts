import { differentiable, type Operand } from "../operand.ts";
import { reshape, type Tensor } from "../ops.ts";

/** The same elements in another shape; unlike tfjs's `reshape` it lets go of its gradient at once. */
export function view(x: Operand, shape: readonly number[]): Tensor {
  return differentiable({ x }, (t) => {
    const before = t.x.shape;
    return { value: reshape(t.x, [...shape]), reads: [], backward: (dy: Tensor) => ({ x: reshape(dy, before) }) };
  });
}
