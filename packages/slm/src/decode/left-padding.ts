import { KdError } from "@kd/contract";
import { type Tensor2D, tensor2d } from "@kd/tensor-core";

/** Where the rows of a left-padded batch stand: their positions, and which keys are real. */
export interface Padding {
  /** Of the prompts, `[B·T]`: 0 at the first real one. */
  readonly positions: Int32Array;
  /** Of the ids of a later step, one a row. */
  positionsAt(step: number): Int32Array;
  /** `[B, length]`, 1 real; the caller's to dispose. */
  keyMask(length: number): Tensor2D;
}

/**
 * Undefined where nothing is padded.
 *
 * @throws KdError `KD_SHAPE` for a mask of another size, `KD_DATA` for a row that ends in padding or holds nothing else.
 */
export function paddingOf(
  mask: Uint8Array | undefined,
  [batch, length]: readonly [number, number],
): Padding | undefined {
  if (mask === undefined) return undefined;
  if (mask.length !== batch * length)
    throw new KdError("KD_SHAPE", `generate: attentionMask must be [${batch} · ${length}], got ${mask.length} numbers`);
  const positions = new Int32Array(mask.length);
  const counts = Array.from({ length: batch }, (_, row) => {
    let count = 0;
    for (let t = row * length; t < (row + 1) * length; t++) {
      if (mask[t] === 1) count++;
      positions[t] = Math.max(0, count - 1);
    }
    if (count === 0) throw new KdError("KD_DATA", `generate: row ${row} must have a token, got none`);
    if (mask[(row + 1) * length - 1] !== 1)
      throw new KdError("KD_DATA", `generate: row ${row} ends in padding; pad prompts on the left`);
    return count;
  });
  if (counts.every((count) => count === length)) return undefined;
  return {
    positions,
    positionsAt: (step) => Int32Array.from(counts, (count) => count + step - 1),
    keyMask: (total) => {
      const keys = new Float32Array(batch * total).fill(1);
      for (let row = 0; row < batch; row++) keys.set(mask.subarray(row * length, (row + 1) * length), row * total);
      return tensor2d(keys, [batch, total]);
    },
  };
}
