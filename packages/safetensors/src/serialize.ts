import { BYTES, countOf, type Dtype, isDtype } from "./dtype.ts";
import { fail, quote } from "./fail.ts";
import { roundToBf16, roundToF16 } from "./half.ts";

/**
 * A tensor to write. `Float32Array` goes into F32, F16 or BF16 (rounded to the nearest, ties to even), `Int32Array` into I32, and
 * `Uint8Array` holds the bytes of any type as they shall lie in the file.
 */
export interface WritableTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Values in row-major order; F16 and BF16 are rounded from a Float32Array. */
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/** What a tensor takes in a file. */
export type TensorSize = Pick<WritableTensor, "dtype" | "shape">;

/** Name and tensor, as in a `Map`. */
export type Named<T> = readonly [name: string, tensor: T];

/**
 * The front of a file and the order of what follows. Wide types come first and names are sorted, so that every tensor is aligned and equal
 * tensors give equal bytes whatever their order was.
 */
export function layOut<T extends TensorSize>(
  tensors: Iterable<Named<T>>,
  metadata: Readonly<Record<string, string>>,
): { readonly header: Uint8Array; readonly sorted: readonly Named<T>[]; readonly size: number } {
  const sorted = [...tensors].sort(
    ([a, { dtype: x }], [b, { dtype: y }]) => BYTES[y] - BYTES[x] || (a < b ? -1 : a > b ? 1 : 0),
  );
  const seen = new Set(["__metadata__"]);
  const entries: string[] = Object.keys(metadata).length > 0 ? [`"__metadata__":${JSON.stringify(metadata)}`] : [];
  let end = 0;
  for (const [name, { dtype, shape }] of sorted) {
    if (seen.has(name)) fail("serializeSafetensors", `expected new names, got ${quote(name)} again`);
    seen.add(name);
    const begin = end;
    end += bytesFor(name, { dtype, shape });
    // Written by hand: an object would move names that look like numbers and swallow "__proto__".
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
  }
  const json = new TextEncoder().encode(`{${entries.join()}}`);
  const start = 8 + Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(start).fill(0x20, 8);
  new DataView(header.buffer).setBigUint64(0, BigInt(start - 8), true);
  header.set(json, 8);
  return { header, sorted, size: start + end };
}

/**
 * The bytes of a `.safetensors` file; equal tensors give equal bytes whatever their order was.
 *
 * @throws KdError `KD_SAFETENSORS` when a name comes twice or data doesn't fit its type and shape.
 */
export function serializeSafetensors(
  tensors: Iterable<Named<WritableTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { header, sorted, size } = layOut(tensors, metadata);
  const bytes = new Uint8Array(size);
  bytes.set(header);
  let position = header.length;
  for (const [name, tensor] of sorted) {
    const part = bytesOf(name, tensor);
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}

/** Bytes that a tensor takes. */
export function bytesFor(name: string, { dtype, shape }: TensorSize): number {
  const where = `serializeSafetensors ${quote(name)}`;
  if (!isDtype(dtype)) fail(where, `expected a dtype among ${Object.keys(BYTES).join(" ")}, got ${quote(dtype)}`);
  const count = countOf(shape);
  if (count === undefined) fail(where, `expected a shape of whole numbers, got ${quote(shape)}`);
  return count * BYTES[dtype];
}

/** A tensor's bytes as they lie in a file. */
export function bytesOf(name: string, { dtype, shape, data }: WritableTensor): Uint8Array {
  const where = `serializeSafetensors ${quote(name)}`;
  const floats = data instanceof Float32Array && (dtype === "F32" || dtype === "F16" || dtype === "BF16");
  const fits = floats || (data instanceof Int32Array && dtype === "I32") || data instanceof Uint8Array;
  if (!fits) fail(where, `expected data of ${dtype}, got ${data.constructor.name}; give its bytes as Uint8Array`);
  const bytes = bytesFor(name, { dtype, shape });
  const expected = data instanceof Uint8Array ? bytes : bytes / BYTES[dtype];
  if (data.length !== expected)
    fail(where, `expected ${expected} values for ${dtype} ${quote(shape)}, got ${data.length}`);
  if (data instanceof Float32Array && dtype === "BF16")
    return rawBytes(roundToBf16(data, new Uint16Array(data.length)));
  if (data instanceof Float32Array && dtype === "F16") return rawBytes(roundToF16(data, new Uint16Array(data.length)));
  return rawBytes(data);
}

function rawBytes({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
