import type { Dtype } from "../dtype.ts";

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
