import { grads, type Tensor, type Tensor2D, tidy } from "@kd/tensor-core";
import { expect } from "vitest";
import type { Run } from "./losses.ts";
import { matrix, type Pair } from "./matrices.ts";

export const near = (got: number, want: number, tolerance = 1e-5): void =>
  expect(Math.abs(got - want), `${got}, expected ${want}`).toBeLessThanOrEqual(tolerance * (1 + Math.abs(want)));

export const lossAt = (run: Run, { student, teacher }: Pair, more: object = {}): number =>
  tidy(() => run({ student: matrix(student), teacher: matrix(teacher), ...more }).dataSync()[0] as number);

export const gradientAt = (run: Run, { student, teacher }: Pair, more: object = {}): number[] =>
  tidy(() => {
    const loss = (s: Tensor) => run({ student: s as Tensor2D, teacher: matrix(teacher), ...more });
    return [...(grads(loss)([matrix(student)])[0] as Tensor).dataSync()];
  });
