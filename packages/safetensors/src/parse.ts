import { BYTES, countOf, type Dtype, isDtype } from "./dtype.ts";
import { fail, quote } from "./fail.ts";
import { isObject, parseObject } from "./json.ts";

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

/** The format's own limit of a header. */
const MAX_HEADER = 100_000_000;

interface Entry extends Pick<StoredTensor, "dtype" | "shape"> {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a `.safetensors` file that is in memory. Tensors are views of `bytes`. `name` stands for the file in errors.
 *
 * @throws KdError `KD_SAFETENSORS` when the file is truncated, too long, malformed, holds a name twice, or when tensors overlap, leave
 * bytes between them, or don't fill what their shape says.
 */
export function parseSafetensors(bytes: Uint8Array, name = "safetensors"): SafetensorsFile {
  const { header, start } = readHeader(bytes, name);
  const { __metadata__: metadata = {}, ...rest } = header;
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === "string"))
    fail(name, "expected __metadata__ to map texts to texts");
  const entries = Object.entries(rest).map(([key, value]) => readEntry(key, value, name));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const tensors = new Map<string, StoredTensor>();
  let position = 0;
  for (const { name: key, dtype, shape, begin, end } of entries) {
    if (begin !== position)
      fail(
        `${name} ${quote(key)}`,
        `expected bytes from ${position}, got ${begin}: tensors ${begin < position ? "overlap" : "leave a hole"}`,
      );
    if (start + end > bytes.length)
      fail(
        `${name} ${quote(key)}`,
        `expected bytes up to ${start + end}, got a file of ${bytes.length}; it is truncated, download it again`,
      );
    tensors.set(key, { dtype, shape, data: bytes.subarray(start + begin, start + end) });
    position = end;
  }
  if (start + position !== bytes.length)
    fail(
      name,
      `expected ${start + position} bytes, got ${bytes.length}: ${bytes.length - start - position} belong to no tensor`,
    );
  return { metadata: metadata as Record<string, string>, tensors };
}

function readHeader(bytes: Uint8Array, name: string): { header: Record<string, unknown>; start: number } {
  if (bytes.length < 8)
    fail(name, `expected at least 8 bytes, got ${bytes.length}; it is truncated or no .safetensors file`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > MAX_HEADER)
    fail(name, `expected a header of at most ${MAX_HEADER} bytes, got ${length}; is it a .safetensors file?`);
  const start = 8 + Number(length);
  if (start > bytes.length)
    fail(
      name,
      `expected a header up to byte ${start}, got a file of ${bytes.length}; it is truncated, download it again`,
    );
  if (bytes[8] !== 0x7b || length === 0n)
    fail(name, "expected a header that begins with {; is it a .safetensors file?");
  return { header: parseObject(decode(bytes.subarray(8, start), name), `${name} header`), start };
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    return fail(name, "expected a header in UTF-8, got other bytes", { cause });
  }
}

function readEntry(key: string, value: unknown, name: string): Entry {
  const where = `${name} ${quote(key)}`;
  if (!isObject(value)) fail(where, `expected { dtype, shape, data_offsets }, got ${quote(value)}`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) fail(where, `expected a dtype among ${Object.keys(BYTES).join(" ")}, got ${quote(dtype)}`);
  const count = countOf(shape);
  if (count === undefined) fail(where, `expected a shape of whole numbers, got ${quote(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every((at) => Number.isSafeInteger(at) && at >= 0))
    fail(where, `expected data_offsets [begin, end], got ${quote(offsets)}`);
  const [begin, end] = offsets as [number, number];
  if (end - begin !== count * BYTES[dtype])
    fail(where, `expected ${count * BYTES[dtype]} bytes for ${dtype} ${quote(shape)}, got ${end - begin}`);
  return { name: key, dtype, shape: shape as number[], begin, end };
}
