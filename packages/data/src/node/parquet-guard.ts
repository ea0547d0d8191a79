import type { ColumnMetaData, SchemaTree } from "hyparquet";
import { boundedCodecs, MAX_PAGE_BYTES } from "./parquet-codecs.ts";
import { type ByteReader, readStruct, readVarint, type ThriftStruct } from "./thrift.ts";

/** Values of a column in one row group: 100,000 records of 40 turns. */
const MAX_VALUES = 4_000_000;

/** What hyparquet reads without growing beyond its input; the delta encodings can repeat a prefix without end. */
const ENCODINGS: readonly unknown[] = [0, 2, 3, 8]; // PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY
const [DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2] = [0, 2, 3];

function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new RangeError(what);
}

const number = (struct: ThriftStruct | undefined, field: number): number => {
  const value = struct?.get(field);
  expect(typeof value === "number", `a page header without field ${field}`);
  return value;
};

/** Run lengths of an RLE/bit-packed stream: hyparquet writes as many values as a run says, however few there are. */
function checkRuns(reader: ByteReader, end: number, { width, values }: { width: number; values: number }): void {
  expect(width <= 32 && end <= reader.bytes.length, "levels or indices that go on beyond their page");
  for (let seen = 0; seen < values && reader.at < end; ) {
    const head = readVarint(reader);
    const packed = head % 2 === 1;
    const count = packed ? ((head - 1) / 2) * 8 : head / 2;
    expect(count <= values + 512 && count > 0, `a run of ${count} in a page of ${values} values`);
    reader.at += packed ? (count / 8) * width : Math.ceil(width / 8);
    seen += count;
  }
}

const levels = (path: readonly SchemaTree[], has: (type: string | undefined) => boolean): number =>
  32 - Math.clz32(path.slice(1).filter(({ element }) => has(element.repetition_type)).length);

/**
 * Checks every page of a column chunk before it is decoded: sizes, numbers of values, encodings, run lengths. What passes cannot make the decoder
 * allocate more than the limits. Throws `RangeError`.
 */
export function checkChunk(bytes: Uint8Array, column: ColumnMetaData, path: readonly SchemaTree[]): void {
  const reader: ByteReader = { bytes, at: 0 };
  const repetition = levels(path, (type) => type === "REPEATED");
  const definition = levels(path, (type) => type !== "REQUIRED");
  let [values, unpacked] = [0, 0];
  const inflate = (page: Uint8Array, length: number): Uint8Array => {
    if (column.codec === "UNCOMPRESSED") return page;
    const codec = boundedCodecs[column.codec];
    expect(
      codec !== undefined,
      `codec ${column.codec}, which is not supported; write with snappy, gzip, brotli or zstd`,
    );
    return codec(page, length);
  };
  while (reader.at < bytes.length - 1) {
    const header = readStruct(reader);
    const [type, size, packed] = [number(header, 1), number(header, 2), number(header, 3)];
    unpacked += size;
    expect(size >= 0 && packed >= 0 && packed <= bytes.length - reader.at, `a page of ${packed} bytes, packed`);
    expect(size <= MAX_PAGE_BYTES && unpacked <= 4 * MAX_PAGE_BYTES, `pages of ${unpacked} bytes, unpacked`);
    const page = bytes.subarray(reader.at, reader.at + packed);
    reader.at += packed;
    const v1 = header.get(5) as ThriftStruct | undefined;
    const v2 = header.get(8) as ThriftStruct | undefined;
    if (type === DICTIONARY_PAGE) {
      const count = number(header.get(7) as ThriftStruct | undefined, 1);
      expect(count >= 0 && count <= MAX_VALUES, `a dictionary of ${count} values`);
      continue;
    }
    expect(type === DATA_PAGE || type === DATA_PAGE_V2, `a page of type ${type}`);
    const head = type === DATA_PAGE ? v1 : v2;
    const count = number(head, 1);
    values += count;
    expect(
      count >= 0 && values <= MAX_VALUES,
      `more than ${MAX_VALUES} values in a column of a row group; write smaller row groups`,
    );
    const encoding = number(head, type === DATA_PAGE ? 2 : 4);
    expect(ENCODINGS.includes(encoding), `encoding ${encoding}; write plain or dictionary encoding`);
    if (type === DATA_PAGE) {
      const inner = { bytes: inflate(page, size), at: 0 };
      for (const width of [path.length > 1 ? repetition : 0, definition])
        if (width > 0) checkRuns(inner, prefixed(inner), { width, values: count });
      checkValues(inner, { encoding, count, isBoolean: column.type === "BOOLEAN" });
    } else {
      const [forDefinition, forRepetition] = [number(head, 5), number(head, 6)];
      expect(
        forDefinition >= 0 && forRepetition >= 0 && forDefinition + forRepetition <= size,
        "levels longer than their page",
      );
      const inner = { bytes: page, at: 0 };
      if (repetition > 0) checkRuns(inner, forRepetition, { width: repetition, values: count });
      inner.at = forRepetition;
      if (definition > 0) checkRuns(inner, forRepetition + forDefinition, { width: definition, values: count });
      const rest = page.subarray(forRepetition + forDefinition);
      const plain = v2?.get(7) === false ? rest : inflate(rest, size - forRepetition - forDefinition);
      checkValues({ bytes: plain, at: 0 }, { encoding, count, isBoolean: column.type === "BOOLEAN" });
    }
  }
}

/** End of a stream that begins with its length in four bytes. */
function prefixed(reader: ByteReader): number {
  expect(reader.at + 4 <= reader.bytes.length, "a page that ends early");
  const { bytes, at } = reader;
  reader.at += 4;
  return reader.at + new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
}

function checkValues(
  reader: ByteReader,
  { encoding, count, isBoolean }: { encoding: number; count: number; isBoolean: boolean },
): void {
  if (encoding === 0 || count === 0 || reader.at >= reader.bytes.length) return;
  if (isBoolean) checkRuns(reader, prefixed(reader), { width: 1, values: count });
  else {
    const width = reader.bytes[reader.at++] as number;
    if (width > 0) checkRuns(reader, reader.bytes.length, { width, values: count });
  }
}
