/** Element type of a stored tensor. */
export type Dtype =
  | "F64"
  | "I64"
  | "U64"
  | "F32"
  | "I32"
  | "U32"
  | "F16"
  | "BF16"
  | "I16"
  | "U16"
  | "F8_E4M3"
  | "F8_E5M2"
  | "I8"
  | "U8"
  | "BOOL";

/** Bytes per element of each element type of the format. */
export const BYTES: Readonly<Record<Dtype, number>> = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

export function isDtype(value: unknown): value is Dtype {
  return typeof value === "string" && Object.hasOwn(BYTES, value);
}

/** Elements of a shape; `undefined` when it isn't a list of whole numbers whose product is exact. */
export function countOf(shape: unknown): number | undefined {
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) return undefined;
  const count = shape.reduce((product: number, size: number) => product * size, 1);
  return Number.isSafeInteger(count) ? count : undefined;
}
