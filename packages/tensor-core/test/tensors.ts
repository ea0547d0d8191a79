import { createRng, type Tensor, type Tensor1D, type Tensor2D, tensor } from "../src/index.ts";

/** Standard normal numbers, the same for a seed. */
export function random<T extends Tensor = Tensor2D>(seed: number, ...shape: readonly number[]): T {
  const rng = createRng(seed);
  const size = shape.reduce((product, n) => product * n, 1);
  return tensor(
    Float32Array.from({ length: size }, () => rng.normal()),
    [...shape],
  ) as Tensor as T;
}

export const int32 = (...values: number[]): Tensor1D => tensor(values, [values.length], "int32") as Tensor1D;
