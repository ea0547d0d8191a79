// The few fields of onnx.proto (github.com/onnx/onnx) that a model of one matrix product needs.
const FLOAT = 1;
const INT = 2;
const LENGTH_DELIMITED = 2;

const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
const int = (field: number, value: number): number[] => [...varint(field << 3), ...varint(value)];
const bytes = (field: number, value: readonly number[]): number[] => [
  ...varint((field << 3) | LENGTH_DELIMITED),
  ...varint(value.length),
  ...value,
];
const text = (field: number, value: string): number[] => bytes(field, [...new TextEncoder().encode(value)]);
const attribute = (name: string, value: number): number[] =>
  bytes(5, [...text(1, name), ...int(3, value), ...int(20, INT)]);

/** `name`, a float32 matrix of any size. */
function matrix(field: number, name: string): number[] {
  const dimension = (side: string): number[] => bytes(1, text(2, `${name}_${side}`));
  const shape = bytes(2, [...dimension("rows"), ...dimension("columns")]);
  return bytes(field, [...text(1, name), ...bytes(2, bytes(1, [...int(1, FLOAT), ...shape]))]);
}

/** An ONNX model of `c = op(a) · op(b)`, ONNX Runtime's FusedMatMul. */
export function productModel(transposeA: boolean, transposeB: boolean): Uint8Array {
  const domain = "com.microsoft";
  const transposes = [...attribute("transA", Number(transposeA)), ...attribute("transB", Number(transposeB))];
  const operands = [...text(1, "a"), ...text(1, "b"), ...text(2, "c")];
  const node = bytes(1, [...operands, ...text(4, "FusedMatMul"), ...transposes, ...text(7, domain)]);
  const graph = bytes(7, [...node, ...text(2, "product"), ...matrix(11, "a"), ...matrix(11, "b"), ...matrix(12, "c")]);
  const operatorSets = [...bytes(8, int(2, 17)), ...bytes(8, [...text(1, domain), ...int(2, 1)])];
  return Uint8Array.from([...int(1, 8), ...graph, ...operatorSets]);
}
