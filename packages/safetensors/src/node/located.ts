import type { FileHandle } from "node:fs/promises";
import { BYTES, type Dtype } from "../dtype.ts";
import type { StoredTensor } from "../parse.ts";
import { readInto } from "./file.ts";

/** A tensor in a file, before its bytes are read. */
export interface LocatedTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** The file that holds it. */
  readonly file: string;
  /** Its first byte there. */
  readonly position: number;
  /** Bytes to read. */
  readonly length: number;
  /** Steps of each axis in numbers, where they don't follow one another; only PyTorch writes such. */
  readonly strides?: readonly number[];
}

/** Reads one tensor into `data`, which has its length. */
export async function readLocated(
  file: FileHandle,
  { dtype, shape, file: path, position, strides }: LocatedTensor,
  data: Uint8Array,
): Promise<StoredTensor> {
  await readInto(file, data, position, path);
  return { dtype, shape, data: strides === undefined ? data : gather(data, shape, strides, BYTES[dtype]) };
}

/** Row-major copy of a strided tensor. */
function gather(data: Uint8Array, shape: readonly number[], strides: readonly number[], width: number): Uint8Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const packed = new Uint8Array(count * width);
  const index = shape.map(() => 0);
  for (let i = 0, from = 0; i < count; i++) {
    packed.set(data.subarray(from * width, (from + 1) * width), i * width);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const [at, stride] = [(index[axis] as number) + 1, strides[axis] as number];
      from += stride;
      index[axis] = at;
      if (at < (shape[axis] as number)) break;
      from -= at * stride;
      index[axis] = 0;
    }
  }
  return packed;
}
