import { countOf } from "../dtype.ts";
import { fail } from "./fail.ts";
import { type Callable, describe, type Storage, type TorchTensor, type Value } from "./values.ts";

const kindOf = (value: Value | undefined): string | undefined =>
  typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;

const isStorage = (value: Value | undefined): value is Storage => kindOf(value) === "storage";
export const isTensor = (value: Value | undefined): value is TorchTensor => kindOf(value) === "tensor";
export const isCallable = (value: Value | undefined): value is Callable => kindOf(value) === "call";

const isWhole = (value: Value | undefined): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
/** Sizes or strides: as many as PyTorch has axes. */
const areWhole = (value: Value | undefined): value is number[] =>
  Array.isArray(value) && value.length <= 64 && value.every(isWhole);

/** What `("storage", type, key, location, count)` names. */
export function storageOf(id: Value, where: string): Storage {
  const [tag, type, key, , count] = Array.isArray(id) ? (id as Value[]) : [];
  if (tag === "storage" && kindOf(type) === "type" && typeof key === "string" && isWhole(count))
    return { kind: "storage", dtype: (type as { dtype: Storage["dtype"] }).dtype, key, count };
  return fail(where, `expected a tensor's storage, got ${describe(id)}`);
}

/** The effect of a call that a file names. */
export function effectOf({ name }: Callable, args: Value, where: string): Value {
  if (!Array.isArray(args)) fail(where, `expected arguments for ${name}, got ${describe(args)}`);
  const [first, offset, shape, strides] = args as Value[];
  if (name === "OrderedDict" && args.length === 0) return new Map();
  if (name === "_rebuild_parameter" && isTensor(first)) return first;
  if (name === "_rebuild_tensor_v2" && isStorage(first) && isWhole(offset) && areWhole(shape) && areWhole(strides))
    return checked({ kind: "tensor", storage: first, offset, shape, strides }, where);
  return fail(where, `expected ${name} to build a tensor from a storage, got other arguments`);
}

function checked(tensor: TorchTensor, where: string): TorchTensor {
  const { storage, offset, shape, strides } = tensor;
  const count = countOf(shape);
  const last = shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] ?? Number.NaN), offset);
  // A stride of 0 would let a file of a few bytes ask for all memory: a tensor is never larger than its storage.
  if (
    count === undefined ||
    shape.length !== strides.length ||
    count > storage.count ||
    (count > 0 && last >= storage.count)
  )
    fail(
      where,
      `expected [${shape.join(", ")}] with strides [${strides.join(", ")}] inside storage "${storage.key}" of ${storage.count} numbers from ${offset} on, got more`,
    );
  return tensor;
}
