import { BYTES, countOf, type Dtype, isDtype } from "./dtype.ts";
import { fail, quote } from "./fail.ts";
import { convertInto, toBf16, toF16 } from "./half.ts";

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

/**
 * The bytes of a `.safetensors` file. Wide types come first and names are sorted, so that every tensor is aligned and equal tensors
 * give equal bytes whatever their order was.
 *
 * @throws KdError `KD_SAFETENSORS` when a name comes twice or data doesn't fit its type and shape.
 */
export function serializeSafetensors(
  tensors: Iterable<readonly [name: string, tensor: WritableTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const sorted = [...tensors].sort(
    ([a, { dtype: x }], [b, { dtype: y }]) => BYTES[y] - BYTES[x] || (a < b ? -1 : a > b ? 1 : 0),
  );
  const seen = new Set(["__metadata__"]);
  const entries: string[] = Object.keys(metadata).length > 0 ? [`"__metadata__":${JSON.stringify(metadata)}`] : [];
  let end = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    if (seen.has(name)) fail("serializeSafetensors", `expected new names, got ${quote(name)} again`);
    seen.add(name);
    const begin = end;
    end += sizeOf(name, { dtype, shape, data });
    // Written by hand: an object would move names that look like numbers and swallow "__proto__".
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
  }
  const header = new TextEncoder().encode(`{${entries.join()}}`);
  const start = 8 + Math.ceil(header.length / 8) * 8;
  const bytes = new Uint8Array(start + end).fill(0x20, 8, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(header, 8);
  let position = start;
  for (const [, tensor] of sorted) {
    const part = bytesOf(tensor);
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}

function sizeOf(name: string, { dtype, shape, data }: WritableTensor): number {
  const where = `serializeSafetensors ${quote(name)}`;
  if (!isDtype(dtype)) fail(where, `expected a dtype among ${Object.keys(BYTES).join(" ")}, got ${quote(dtype)}`);
  const count = countOf(shape);
  if (count === undefined) fail(where, `expected a shape of whole numbers, got ${quote(shape)}`);
  const floats = data instanceof Float32Array && (dtype === "F32" || dtype === "F16" || dtype === "BF16");
  const fits = floats || (data instanceof Int32Array && dtype === "I32") || data instanceof Uint8Array;
  if (!fits) fail(where, `expected data of ${dtype}, got ${data.constructor.name}; give its bytes as Uint8Array`);
  const expected = data instanceof Uint8Array ? count * BYTES[dtype] : count;
  if (data.length !== expected)
    fail(where, `expected ${expected} values for ${dtype} ${quote(shape)}, got ${data.length}`);
  return count * BYTES[dtype];
}

function bytesOf({ dtype, data }: WritableTensor): Uint8Array {
  if (data instanceof Float32Array && dtype === "BF16")
    return rawBytes(convertInto(data, new Uint16Array(data.length), toBf16));
  if (data instanceof Float32Array && dtype === "F16")
    return rawBytes(convertInto(data, new Uint16Array(data.length), toF16));
  return rawBytes(data);
}

function rawBytes({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
