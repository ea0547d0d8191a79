/** Bytes of a file: there, or read when they are written, so that no more than one tensor is in memory. */
export type Piece = Uint8Array | LazyBytes;

/** Bytes whose number is known before they are. */
export interface LazyBytes {
  readonly byteLength: number;
  readonly read: () => Promise<Uint8Array>;
}

/** Protobuf's wire types of the fields that ONNX needs. */
const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;

/** Protobuf's variable-length whole number; a negative one takes ten bytes, as int64 does. */
export function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.of(...bytes, Number(rest));
}

const tag = (field: number, type: number): Uint8Array => varint((field << 3) | type);

/** A field of whole numbers: int64, enum. */
export const intField = (field: number, value: number): Piece[] => [tag(field, VARINT), varint(value)];

/** A field of one 32-bit float. */
export function floatField(field: number, value: number): Piece[] {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return [tag(field, FIXED32), bytes];
}

/** A field that holds a message, or raw bytes, of these pieces. */
export const message = (field: number, pieces: readonly Piece[]): Piece[] => [
  tag(field, BYTES),
  varint(sizeOf(pieces)),
  ...pieces,
];

/** A field of text. */
export const textField = (field: number, text: string): Piece[] => message(field, [new TextEncoder().encode(text)]);

/** Bytes of all pieces together. */
export const sizeOf = (pieces: readonly Piece[]): number => pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
