import { fusedKernels } from "./kernels/fused-kernels.ts";
import type { Tensor } from "./ops.ts";

/** A tensor and its memory. */
export interface UnfilledTensor {
  readonly tensor: Tensor;
  /** The engine's own memory, `4 · size` bytes; valid until the next tensor is made. */
  readonly bytes: Uint8Array;
}

/**
 * A float32 tensor of whatever its memory held, to read a file straight into. Undefined where the engine's memory can't be reached: on all
 * but wasm with its kernels.
 */
export function unfilledTensor(shape: readonly number[]): UnfilledTensor | undefined {
  const k = fusedKernels();
  if (k === undefined) return undefined;
  const tensor = k.output(shape);
  return { tensor, bytes: new Uint8Array(k.buffer(), k.address(tensor), 4 * tensor.size) };
}
