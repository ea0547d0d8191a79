import { KdError } from "@kd/contract";
import { toFloat32, toHalf } from "@kd/safetensors";

/** An array of an entry, and how it is kept: F16 is rounded from float32, to the nearest. */
export type PackedArray =
  | { readonly dtype: "F16" | "F32"; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly dtype: "I32"; readonly shape: readonly number[]; readonly data: Int32Array };

const DTYPES = ["F16", "F32", "I32"] as const;
const LARGEST = 65504;

/**
 * Arrays as the bytes of one entry: a word for their number, per array its type, its rank and sizes, then its numbers (little-endian, from a
 * multiple of 4 on).
 *
 * @throws KdError `KD_DATA` for a number that F16 cannot hold; `KD_SHAPE` where shape and data differ in size.
 */
export function packArrays(arrays: readonly PackedArray[], where = "packArrays"): Uint8Array {
  const parts = arrays.map(({ dtype, shape, data }) => {
    if (sizeOf(shape) !== data.length)
      throw new KdError(
        "KD_SHAPE",
        `${where}: [${shape.join(", ")}] needs ${sizeOf(shape)} numbers, got ${data.length}`,
      );
    return { dtype, shape, bytes: dtype === "F16" ? halves(data, shape, where) : bytesOf(data) };
  });
  const words = parts.reduce((sum, { shape, bytes }) => sum + 2 + shape.length + Math.ceil(bytes.length / 4), 1);
  const packed = new Int32Array(words);
  const target = new Uint8Array(packed.buffer);
  packed[0] = parts.length;
  let at = 1;
  for (const { dtype, shape, bytes } of parts) {
    packed.set([DTYPES.indexOf(dtype), shape.length, ...shape], at);
    at += 2 + shape.length;
    target.set(bytes, at * 4);
    at += Math.ceil(bytes.length / 4);
  }
  return target;
}

/** What {@link packArrays} packed, as copies; F16 widened. `KD_DATA` for other bytes. */
export function unpackArrays(bytes: Uint8Array, where = "unpackArrays"): PackedArray[] {
  const wrong = () => new KdError("KD_DATA", `${where}: expected packed arrays, got other bytes; remove the file`);
  if (bytes.length % 4 !== 0 || bytes.length === 0) throw wrong();
  const plain = bytesOf(bytes); // a Buffer's `slice` would not copy
  const aligned = plain.byteOffset % 4 === 0 ? plain : plain.slice();
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
  const arrays: PackedArray[] = [];
  let at = 1;
  for (let i = 0; i < (words[0] as number); i++) {
    const [dtype, rank = 0] = [DTYPES[words[at] ?? -1], words[at + 1]];
    const shape = [...words.subarray(at + 2, at + 2 + rank)];
    const size = sizeOf(shape);
    at += 2 + rank;
    const length = size * (dtype === "F16" ? 2 : 4);
    if (dtype === undefined || shape.some((n) => n < 0) || at * 4 + length > aligned.length) throw wrong();
    const data = aligned.subarray(at * 4, at * 4 + length);
    at += Math.ceil(length / 4);
    if (dtype === "I32") arrays.push({ dtype, shape, data: new Int32Array(data.slice().buffer) });
    else if (dtype === "F32") arrays.push({ dtype, shape, data: new Float32Array(data.slice().buffer) });
    else arrays.push({ dtype, shape, data: toFloat32({ dtype, shape, data }) });
  }
  if (at !== words.length) throw wrong();
  return arrays;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);
const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function halves(data: Float32Array | Int32Array, shape: readonly number[], where: string): Uint8Array {
  const beyond = data.find((x) => !(Math.abs(x) <= LARGEST));
  if (beyond !== undefined)
    throw new KdError("KD_DATA", `${where}: float16 holds numbers up to ${LARGEST}, got ${beyond}; keep float32`);
  return bytesOf(toHalf({ dtype: "F32", shape, data: bytesOf(data) }, "F16"));
}
