/** A struct of Thrift's compact protocol: values by field number. */
export type ThriftStruct = ReadonlyMap<number, number | boolean | ThriftStruct | undefined>;

/** Position in bytes, moved on by what is read. */
export interface ByteReader {
  readonly bytes: Uint8Array;
  at: number;
}

const MAX_DEPTH = 8;
const [TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, STRUCT] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12];

/** An unsigned LEB128 number of at most ten bytes; above 2⁵³ only its size is right. */
export function readVarint(reader: ByteReader): number {
  let value = 0;
  for (let i = 0, scale = 1; i < 10; i++, scale *= 128) {
    const byte = reader.bytes[reader.at++];
    if (byte === undefined) throw new RangeError("a number goes on beyond the end");
    value += (byte & 0x7f) * scale;
    if (byte < 128) return value;
  }
  throw new RangeError("a number of more than ten bytes");
}

const zigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);

function readValue(reader: ByteReader, type: number, depth: number): number | boolean | ThriftStruct | undefined {
  if (type === TRUE || type === FALSE) return type === TRUE;
  if (type === I16 || type === I32 || type === I64) return zigzag(readVarint(reader));
  if (type === STRUCT) return readStruct(reader, depth + 1);
  if (type === BYTE) reader.at += 1;
  else if (type === DOUBLE) reader.at += 8;
  else if (type === BINARY) {
    const length = readVarint(reader); // moves reader.at before it is added to
    reader.at += length;
  } else if (type === LIST || type === SET) {
    const head = reader.bytes[reader.at++] ?? 0;
    const count = head >> 4 === 15 ? readVarint(reader) : head >> 4;
    for (let i = 0; i < count; i++) {
      readValue(reader, (head & 15) <= FALSE ? BYTE : head & 15, depth + 1);
      if (reader.at > reader.bytes.length) break;
    }
  } else throw new RangeError(`no such type: ${type}`);
  if (reader.at > reader.bytes.length) throw new RangeError("a value goes on beyond the end");
  return undefined;
}

/** Reads one struct: numbers, booleans and structs; texts and lists are passed over. Throws `RangeError`. */
export function readStruct(reader: ByteReader, depth = 0): ThriftStruct {
  if (depth > MAX_DEPTH) throw new RangeError("structs too deep");
  const fields = new Map<number, number | boolean | ThriftStruct | undefined>();
  for (let field = 0; ; ) {
    const head = reader.bytes[reader.at++];
    if (head === undefined) throw new RangeError("a struct goes on beyond the end");
    if ((head & 15) === 0) return fields;
    field = head >> 4 ? field + (head >> 4) : zigzag(readVarint(reader));
    fields.set(field, readValue(reader, head & 15, depth));
  }
}
