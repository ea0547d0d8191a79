import { KdError } from "@kd/contract";
import { type Operand, tensorOf } from "../operand.ts";
import { getBackend, type Tensor, type TypedArray } from "../ops.ts";
import type { StudentRows } from "./row-losses.ts";

/** A tensor's numbers where they lie in main memory; undefined where reading them would wait for a device. */
export function peek(tensor: Tensor): TypedArray | undefined {
  return ["cpu", "wasm"].includes(getBackend()) ? tensor.dataSync() : undefined;
}

/** Looks, once a result is not finite, for the rows that made it so. @throws KdError `KD_DIVERGED` naming argument and row. */
export function assertFinite(where: string, result: Tensor, rows: Readonly<Record<string, StudentRows>>): void {
  if (peek(result)?.every(Number.isFinite) !== false) return;
  for (const [name, given] of Object.entries(rows)) {
    const parts: Record<string, Operand> =
      "hidden" in given ? { [`${name}.hidden`]: given.hidden, [`${name}.head`]: given.head } : { [name]: given };
    for (const [part, operand] of Object.entries(parts)) {
      const tensor = tensorOf(operand);
      const values = tensor.dataSync();
      const i = values.findIndex((x) => !Number.isFinite(x));
      if (i >= 0)
        throw new KdError(
          "KD_DIVERGED",
          `${where}: ${part} must hold finite numbers, got ${values[i]} in row ${Math.floor(i / (tensor.shape.at(-1) as number))}; look at the step before this one and at the data`,
        );
    }
  }
}
