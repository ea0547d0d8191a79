import { KdError } from "@kd/contract";
import type { Tensor } from "./ops.ts";

/**
 * Checks tensors against one shape spec such as `"B T V"`: each letter binds once, a number is itself.
 *
 * @throws KdError `KD_SHAPE` naming the argument and both shapes.
 */
export function assertShapes(where: string, specs: Readonly<Record<string, readonly [Tensor, string]>>): void {
  const bound = new Map<string, number>();
  for (const [name, [tensor, spec]] of Object.entries(specs)) {
    const axes = spec.split(" ");
    if (axes.length !== tensor.shape.length) throw shapeError(where, name, spec, tensor.shape);
    for (const [i, axis] of axes.entries()) {
      const size = tensor.shape[i] as number;
      const expected = /^\d+$/.test(axis) ? Number(axis) : (bound.get(axis) ?? size);
      if (expected !== size) throw shapeError(where, name, spec, tensor.shape, ` with ${axis}=${expected}`);
      bound.set(axis, size);
    }
  }
}

function shapeError(where: string, name: string, spec: string, shape: readonly number[], bound = ""): KdError {
  return new KdError("KD_SHAPE", `${where}: ${name} must be [${spec}]${bound}, got [${shape.join(", ")}]`);
}
