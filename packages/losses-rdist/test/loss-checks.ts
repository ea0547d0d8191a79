import { grads, memory, type Scalar, type Tensor, type Tensor2D, tidy } from "@kd/tensor-core";
import { expect } from "vitest";
import { type Matrix, tensorOfMatrix } from "./matrices.ts";

export const close = (a: number, b: number, by = 2e-5): void =>
  expect(Math.abs(a - b), `${a} against ${b}`).toBeLessThanOrEqual(by * (1 + Math.abs(b)));

export const numberOf = (of: () => Tensor): number => tidy(() => of().dataSync()[0] as number);

type Loss = (...inputs: Tensor[]) => Scalar;

/** Every input's gradient is the central difference of a float64 definition. */
export function checkSlopes(
  loss: Loss,
  inputs: readonly Matrix[],
  definition: (...inputs: Matrix[]) => number,
  by = 1e-3,
): void {
  const got = tidy(() =>
    grads(loss as never)(inputs.map((m) => tensorOfMatrix(m))).map((g) => (g as Tensor2D).arraySync()),
  );
  for (const [i, slopes] of got.entries())
    for (const [r, row] of slopes.entries())
      for (const [j, slope] of row.entries()) {
        const at = (step: number) =>
          definition(
            ...inputs.map((m, k) =>
              k !== i ? m : m.map((values, s) => (s !== r ? values : values.with(j, (values[j] as number) + step))),
            ),
          );
        close(slope, (at(1e-5) - at(-1e-5)) / 2e-5, by);
      }
}

/** Neither the loss nor its gradient leaves a tensor behind, and both are finite. */
export function checkTidyAndFinite(loss: Loss, inputs: readonly Tensor[]): void {
  tidy(() => void loss(...inputs));
  const before = memory().numTensors;
  const value = loss(...inputs);
  expect(Number.isFinite(value.dataSync()[0])).toBe(true);
  value.dispose();
  expect(memory().numTensors).toBe(before);
  for (const gradient of grads(loss as never)([...inputs])) {
    expect([...gradient.dataSync()].every(Number.isFinite)).toBe(true);
    gradient.dispose();
  }
  expect(memory().numTensors).toBe(before);
}

/** 0, and every gradient is. */
export function checkNothing(loss: Loss, inputs: readonly Tensor[]): void {
  tidy(() => {
    expect(loss(...inputs).dataSync()[0]).toBe(0);
    for (const gradient of grads(loss as never)([...inputs]))
      expect([...gradient.dataSync()].every((x) => x === 0)).toBe(true);
  });
}
