import { fail } from "./fail.ts";
import { roundToBf16, roundToF16, widenBf16, widenF16 } from "./half.ts";
import type { StoredTensor } from "./parse.ts";

/**
 * The values of a float tensor; F16, BF16, I8 and U8 are widened, F64 is rounded. F32 that is aligned shares memory with the file's bytes.
 *
 * @throws KdError `KD_SAFETENSORS` for whole numbers of more than 8 bits.
 */
export function toFloat32({ dtype, data }: StoredTensor): Float32Array {
  switch (dtype) {
    case "F32":
      return view(data, Float32Array);
    case "F64":
      return new Float32Array(view(data, Float64Array));
    case "F16":
      return widenF16(view(data, Uint16Array), new Float32Array(data.length / 2));
    case "BF16":
      return widenBf16(view(data, Uint16Array), new Float32Array(data.length / 2));
    case "I8":
      return new Float32Array(view(data, Int8Array));
    case "U8":
      return new Float32Array(data);
    default:
      return fail("toFloat32", `expected F32, F16, BF16, F64, I8 or U8, got ${dtype}; read it with toInt32`);
  }
}

/**
 * The values of a float tensor as 16-bit words of `format`; others are rounded to the nearest, ties to even. Aligned words that are of the
 * format already share memory with the file's bytes.
 *
 * @throws KdError `KD_SAFETENSORS` for whole-number types.
 */
export function toHalf(tensor: StoredTensor, format: "BF16" | "F16"): Uint16Array {
  if (tensor.dtype === format) return view(tensor.data, Uint16Array);
  const values = toFloat32(tensor);
  return (format === "BF16" ? roundToBf16 : roundToF16)(values, new Uint16Array(values.length));
}

/**
 * The values of a whole-number tensor. I32 that is aligned shares memory with the file's bytes.
 *
 * @throws KdError `KD_SAFETENSORS` for float types and for values beyond 32 bits.
 */
export function toInt32({ dtype, data }: StoredTensor): Int32Array {
  switch (dtype) {
    case "I32":
      return view(data, Int32Array);
    case "I64":
      return Int32Array.from(view(data, BigInt64Array), narrow);
    case "U64":
      return Int32Array.from(view(data, BigUint64Array), narrow);
    case "U32":
      return Int32Array.from(view(data, Uint32Array), narrow);
    case "I16":
      return Int32Array.from(view(data, Int16Array));
    case "U16":
      return Int32Array.from(view(data, Uint16Array));
    case "I8":
      return Int32Array.from(view(data, Int8Array));
    case "U8":
    case "BOOL":
      return Int32Array.from(data);
    default:
      return fail("toInt32", `expected a whole-number type, got ${dtype}; read it with toFloat32`);
  }
}

function narrow(value: bigint | number): number {
  const small = Number(value);
  if (small !== (small | 0)) fail("toInt32", `expected values of 32 bits, got ${value}`);
  return small;
}

interface View<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, offset: number, length: number): T;
}

function view<T>(data: Uint8Array, type: View<T>): T {
  const width = type.BYTES_PER_ELEMENT;
  // Typed arrays must begin at a multiple of their width; files promise no such thing.
  const aligned = data.byteOffset % width === 0 ? data : data.slice();
  return new type(aligned.buffer, aligned.byteOffset, aligned.length / width);
}
