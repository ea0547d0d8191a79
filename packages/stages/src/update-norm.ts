import { addN, dispose, type Scalar, sub, sumOfSquares, type Tensor, tidy } from "@kd/tensor-core";

/** Global norm of what a step added to the weights. Frees nothing of its arguments. */
export async function updateNorm(before: readonly Tensor[], after: readonly Tensor[]): Promise<number> {
  const squares: Tensor[] = []; // a difference at a time: the whole model twice would be the step's peak
  for (const [i, tensor] of after.entries()) squares.push(tidy(() => sumOfSquares([sub(tensor, before[i] as Tensor)])));
  if (squares.length === 0) return 0;
  const sum = tidy(() => addN(squares)) as Scalar;
  dispose(squares);
  const [value] = await sum.data();
  sum.dispose();
  return Math.sqrt(value as number);
}
