import { KdError } from "@kd/contract";
import { halfOf, pickRows } from "../half.ts";
import { constant, type Operand, tensorOf } from "../operand.ts";
import { type Tensor2D, tensor1d, tidy } from "../ops.ts";
import { gatherRows } from "./gather-rows.ts";
import type { StudentRows } from "./row-losses.ts";

/**
 * Some rows of dense logits or of factors (whose head stays as it is), such as `responseRows(batch)` of all positions of a batch.
 * A constant stays constant.
 *
 * @throws KdError `KD_SHAPE` when an index is no row.
 */
export function selectRows<T extends StudentRows>(from: T, indices: Int32Array): T {
  const select = (table: Operand<Tensor2D>): Operand<Tensor2D> => {
    const count = tensorOf(table).shape[0];
    const wrong = indices.find((i) => !(i >= 0 && i < count));
    if (wrong !== undefined)
      throw new KdError("KD_SHAPE", `selectRows: an index must be in 0…${count - 1}, got ${wrong}`);
    const half = halfOf(tensorOf(table));
    const rows = half
      ? pickRows(half, indices, tensorOf(table).shape[1])
      : (tidy(() => gatherRows(table, tensor1d(indices, "int32"))) as Tensor2D);
    return "constant" in table ? constant(rows) : rows;
  };
  return ("hidden" in from ? { hidden: select(from.hidden), head: from.head } : select(from as Operand<Tensor2D>)) as T;
}
