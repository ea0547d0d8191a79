import type { Dtype } from "../dtype.ts";
import { quote } from "../fail.ts";

/** Everything that a PyTorch file of weights can be made of. */
export type Value =
  | null
  | boolean
  | number
  | string
  | readonly Value[]
  | Map<Value, Value>
  | Callable
  | StorageType
  | Storage
  | TorchTensor;

/** A function that a file may name; it is never called, its effect is written here. */
export interface Callable {
  readonly kind: "call";
  readonly name: "OrderedDict" | "_rebuild_tensor_v2" | "_rebuild_parameter";
}

export interface StorageType {
  readonly kind: "type";
  readonly dtype: Dtype;
}

/** Numbers in an entry of their own, `data/<key>`. */
export interface Storage {
  readonly kind: "storage";
  readonly dtype: Dtype;
  readonly key: string;
  readonly count: number;
}

/** A view of a storage. */
export interface TorchTensor {
  readonly kind: "tensor";
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

const DTYPES: Readonly<Record<string, Dtype>> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
};

/** What `module.name` stands for; undefined for everything that could do more than build a tensor. */
export function globalOf(module: string, name: string): Callable | StorageType | undefined {
  if (module === "torch" && Object.hasOwn(DTYPES, name)) return { kind: "type", dtype: DTYPES[name] as Dtype };
  if (module === "collections" && name === "OrderedDict") return { kind: "call", name };
  if (module === "torch._utils" && (name === "_rebuild_tensor_v2" || name === "_rebuild_parameter"))
    return { kind: "call", name };
  return undefined;
}

/** A value in an error. Never JSON of it: what a file builds can hold itself, or be small and print without end. */
export function describe(value: Value | undefined): string {
  if (typeof value === "string") return quote(value);
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Map) return "a dictionary";
  return "kind" in value ? `a ${value.kind}` : "a list";
}
