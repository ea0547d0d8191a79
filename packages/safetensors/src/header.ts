import { BYTES, countOf, type Dtype, isDtype } from "./dtype.ts";
import { fail, quote } from "./fail.ts";
import { isObject, parseObject } from "./json.ts";

/** Where one tensor lies: bytes of the file, from `begin` up to `end`. */
interface HeaderEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** What the front of a file says. */
export interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their bytes, without hole or overlap, up to the end of the file. */
  readonly entries: readonly HeaderEntry[];
}

/** What a header belongs to. */
export interface HeaderOptions {
  /** Bytes of the whole file. */
  readonly fileSize: number;
  /** Stands for the file in errors. */
  readonly name: string;
}

/** The length of the header's length. */
export const PREFIX = 8;

/** The format allows 100 MB; a header of 100,000 tensors has 15. */
const MAX_HEADER = 2 ** 24;

/** An object of objects that hold lists. */
const MAX_DEPTH = 3;

/** Commas; 100,000 tensors of five axes have 800,000. */
const MAX_VALUES = 1_000_000;

/** Bytes of the header, from a file's first eight. */
export function headerLength(prefix: Uint8Array, { fileSize, name }: HeaderOptions): number {
  if (prefix.length < PREFIX)
    fail(name, `expected at least 8 bytes, got ${prefix.length}; it is truncated or no .safetensors file`);
  const length = new DataView(prefix.buffer, prefix.byteOffset, PREFIX).getBigUint64(0, true);
  if (length > MAX_HEADER)
    fail(name, `expected a header of at most ${MAX_HEADER} bytes, got ${length}; is it a .safetensors file?`);
  if (PREFIX + Number(length) > fileSize)
    fail(
      name,
      `expected a header up to byte ${PREFIX + Number(length)}, got a file of ${fileSize}; it is truncated, download it again`,
    );
  return Number(length);
}

/** Reads a header's JSON and checks every bound. */
export function parseHeader(json: Uint8Array, { fileSize, name }: HeaderOptions): Header {
  if (json[0] !== 0x7b) fail(name, "expected a header that begins with {; is it a .safetensors file?");
  checkSize(json, name);
  const { __metadata__: metadata = {}, ...rest } = parseObject(decode(json, name), `${name} header`);
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === "string"))
    fail(name, "expected __metadata__ to map texts to texts");
  const start = PREFIX + json.length;
  const entries = Object.entries(rest).map(([key, value]) => readEntry(key, value, start, name));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = start;
  for (const { name: key, begin, end } of entries) {
    if (begin !== position)
      fail(
        `${name} ${quote(key)}`,
        `expected bytes from ${position - start}, got ${begin - start}: tensors ${begin < position ? "overlap" : "leave a hole"}`,
      );
    if (end > fileSize)
      fail(
        `${name} ${quote(key)}`,
        `expected bytes up to ${end}, got a file of ${fileSize}; it is truncated, download it again`,
      );
    position = end;
  }
  if (position !== fileSize)
    fail(name, `expected ${position} bytes, got ${fileSize}: ${fileSize - position} belong to no tensor`);
  return { metadata: metadata as Record<string, string>, entries };
}

/** What a parser makes of millions of brackets and values costs many times their bytes: they are counted first. */
function checkSize(json: Uint8Array, name: string): void {
  let [depth, values, inText] = [0, 0, false];
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (inText) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inText = false;
    } else if (byte === 0x22) inText = true;
    else if (byte === 0x2c) values++;
    else if (byte === 0x7d || byte === 0x5d) depth--;
    else if ((byte === 0x7b || byte === 0x5b) && ++depth > MAX_DEPTH)
      fail(name, `expected a header of at most ${MAX_DEPTH} nested brackets, got more; is it a .safetensors file?`);
  }
  if (values > MAX_VALUES)
    fail(name, `expected a header of at most ${MAX_VALUES} values, got ${values}; is it a .safetensors file?`);
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    return fail(name, "expected a header in UTF-8, got other bytes", { cause });
  }
}

function readEntry(key: string, value: unknown, start: number, name: string): HeaderEntry {
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
  return { name: key, dtype, shape: shape as number[], begin: start + begin, end: start + end };
}
