import type { Dtype } from "./dtype.ts";
import { headerLength, PREFIX, parseHeader } from "./header.ts";

/** One tensor as it lies in the file: little-endian, row-major. */
export interface StoredTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** A view into the bytes that were parsed, not a copy; not necessarily aligned. */
  readonly data: Uint8Array;
}

/** A parsed file. */
export interface SafetensorsFile {
  /** Its `__metadata__`; empty when there is none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their bytes. */
  readonly tensors: Map<string, StoredTensor>;
}

/**
 * Reads a `.safetensors` file that is in memory. Tensors are views of `bytes`. `name` stands for the file in errors.
 *
 * @throws KdError `KD_SAFETENSORS` when the file is truncated, too long, malformed, holds a name twice, has a header above 16 MiB or a million values, or when
 * tensors overlap, leave bytes between them, or don't fill what their shape says.
 */
export function parseSafetensors(bytes: Uint8Array, name = "safetensors"): SafetensorsFile {
  const options = { fileSize: bytes.length, name };
  const start = PREFIX + headerLength(bytes.subarray(0, PREFIX), options);
  const { metadata, entries } = parseHeader(bytes.subarray(PREFIX, start), options);
  const tensors = entries.map(({ name: key, dtype, shape, begin, end }): [string, StoredTensor] => [
    key,
    { dtype, shape, data: bytes.subarray(begin, end) },
  ]);
  return { metadata, tensors: new Map(tensors) };
}
