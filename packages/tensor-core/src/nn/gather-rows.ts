import { KdError } from "@kd/contract";
import { unsortedSegmentSum } from "@tensorflow/tfjs-core";
import { fusedKernels } from "../kernels/fused-kernels.ts";
import { constant, differentiable, type Operand, tensorOf } from "../operand.ts";
import { gather, reshape, type Tensor, type Tensor1D, type Tensor2D, tidy } from "../ops.ts";

/**
 * Rows of a table, as `torch.nn.functional.embedding`. Ids are not read back: check their range where the data comes in.
 *
 * @param table `[V, D]`
 * @param ids int32, any shape
 * @returns `[...ids, D]`
 */
export function gatherRows(table: Operand<Tensor2D>, ids: Tensor): Tensor {
  const [count, width] = tensorOf(table).shape as [number, number | undefined];
  if (width === undefined || tensorOf(table).shape.length !== 2)
    throw new KdError("KD_SHAPE", `gatherRows: table must be [V, D], got [${tensorOf(table).shape.join(", ")}]`);
  if (ids.dtype !== "int32") throw new KdError("KD_SHAPE", `gatherRows: ids must be int32, got ${ids.dtype}`);
  const shape = [...ids.shape, width];
  return differentiable({ table, ids: constant(ids) }, (t) => {
    const k = fusedKernels();
    if (k === undefined) {
      const flat = () => reshape(t.ids, [-1]) as Tensor1D;
      return {
        value: tidy(() => reshape(gather(t.table, flat()), shape)),
        backward: (dy) => ({ table: unsortedSegmentSum(reshape(dy, [-1, width]), flat(), count) }),
      };
    }
    const value = k.output(shape);
    k.run("gatherRows", [k.address(t.table), k.address(t.ids), k.address(value), width], ids.size, {
      work: value.size,
    });
    const backward = (dy: Tensor) => {
      const table = k.zeros([count, width]);
      const args = [k.address(dy), k.address(t.ids), k.address(table), width, count, ids.size];
      k.run("segAdd", args, width, { work: dy.size, grain: 16 }); // by columns: two rows may have one id
      return { table };
    };
    return { value, backward };
  });
}
