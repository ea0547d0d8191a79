import { engine } from "@tensorflow/tfjs-core";
import type { Tensor } from "../ops.ts";
import { createConstants } from "./tensorflow-constants.ts";

type AttributeKind = "TYPE" | "BOOL" | "SHAPE" | "STRING" | "INT";

/** A value inside TensorFlow that no tensor of tfjs stands for: making one takes a third of a tensor's time. */
export interface Handle {
  readonly id: number;
  readonly shape: readonly number[];
  readonly dtype: number;
}

/** What is used of tfjs-node's addon. */
export interface NodeBinding extends Readonly<Record<"TF_FLOAT" | "TF_INT32" | `TF_ATTR_${AttributeKind}`, number>> {
  readonly TF_Version: string;
  createTensor(shape: readonly number[], dtype: number, data: Float32Array | Int32Array): number;
  deleteTensor(id: number): void;
  executeOp(name: string, attributes: readonly object[], inputs: readonly number[], outputs: number): Handle[];
}

/** What is used of its backend, which is an optional package's. */
interface NodeBackend {
  readonly binding?: NodeBinding;
  readonly isUsingGpuDevice?: boolean;
  getInputTensorIds(tensors: readonly Tensor[]): number[];
  createOutputTensor(handle: Handle): Tensor;
}

/** What an operation reads: a number is a float32 scalar, an array an int32 vector, `{ int }` an int32 scalar; these three are made once. */
export type Input = Tensor | Handle | number | readonly number[] | { readonly int: number };

/** By name: a type as "float32" or "int32", a string, a boolean, an integer or a shape. An object that stays the same is read once. */
export type Attributes = Readonly<Record<string, unknown>>;

/** @param outputs by default 1 */
export type Kernel = (name: `Kd${string}`, inputs: readonly Input[], outputs?: number) => Handle[];

/** TensorFlow's own operations, called without a tfjs tensor for each value in between. */
export interface TensorflowOps {
  /** Runs `body`, frees every value that it made and gives tensors, tracked by tidy, of those that it returns. */
  compute(body: () => readonly Handle[]): Tensor[];
  /** One operation, inside {@link compute}. @param attributes by default `T` of float32 */
  op(name: string, inputs: readonly Input[], attributes?: Attributes): Handle;
  /** One with any number of outputs. */
  ops(name: string, inputs: readonly Input[], outputs: number, attributes?: Attributes): Handle[];
  /** One of our own, "Kd…", which this repository's set-up compiles into the addon; undefined where they are not, and on a GPU. */
  readonly kernel: Kernel | undefined;
  /** A value that outlives `body`, made again when another key is asked for under the same name. */
  latest(name: string, key: readonly unknown[], make: () => Handle): Handle;
}

const FLOAT: Attributes = { T: "float32" };
const NONE: Attributes = {};
const known = new WeakMap<object, TensorflowOps>();

/** Those of the current backend; undefined when it is not tfjs-node's. */
export function tensorflowOps(): TensorflowOps | undefined {
  if (engine().backendName !== "tensorflow") return undefined;
  const backend = engine().backend as unknown as NodeBackend;
  if (backend.binding === undefined) return undefined;
  const ops = known.get(backend) ?? create(backend, backend.binding);
  known.set(backend, ops);
  return ops;
}

function create(backend: NodeBackend, binding: NodeBinding): TensorflowOps {
  const constants = createConstants(binding);
  const lists = new WeakMap<Attributes, readonly object[]>();
  const latest = new Map<string, { readonly key: readonly unknown[]; readonly handle: Handle }>();
  let made = new Set<number>();

  const idOf = (input: Input): number => {
    if (typeof input === "number") return constants.float(input);
    if (Array.isArray(input)) return constants.ints(input);
    if ("int" in input) return constants.int(input.int);
    return "dataId" in input ? (backend.getInputTensorIds([input])[0] as number) : (input as Handle).id;
  };
  const listOf = (attributes: Attributes): readonly object[] => {
    let list = lists.get(attributes);
    if (list === undefined) {
      list = Object.entries(attributes).map(([name, value]) => {
        if (value === "float32") return { name, type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT };
        if (value === "int32") return { name, type: binding.TF_ATTR_TYPE, value: binding.TF_INT32 };
        return { name, type: binding[`TF_ATTR_${kindOf(value)}`], value };
      });
      lists.set(attributes, list);
    }
    return list;
  };
  const ops: TensorflowOps["ops"] = (name, inputs, outputs, attributes = FLOAT) => {
    const results = binding.executeOp(name, listOf(attributes), inputs.map(idOf), outputs);
    for (const { id } of results) made.add(id);
    return results;
  };
  return {
    ops,
    kernel:
      backend.isUsingGpuDevice || !hasKernels(binding)
        ? undefined
        : (name, inputs, outputs = 1) => ops(name, inputs, outputs, NONE),
    op: (name, inputs, attributes) => ops(name, inputs, 1, attributes)[0] as Handle,
    compute(body) {
      const outer = made;
      made = new Set();
      constants.trim();
      try {
        return body().map((handle) => {
          made.delete(handle.id);
          return backend.createOutputTensor(handle);
        });
      } finally {
        for (const id of made) binding.deleteTensor(id);
        made = outer;
      }
    },
    latest(name, key, make) {
      const before = latest.get(name);
      if (before?.key.every((part, i) => part === key[i])) return before.handle;
      const handle = make();
      made.delete(handle.id);
      latest.set(name, { key, handle });
      if (before !== undefined) made.add(before.handle.id);
      return handle;
    },
  };
}

/** The last one that registers itself answers for all of them, in the version that the bodies here know. */
function hasKernels(binding: NodeBinding): boolean {
  try {
    for (const { id } of binding.executeOp("KdKernels1", [], [], 1)) binding.deleteTensor(id);
    return true;
  } catch {
    return false; // the package's own addon
  }
}

function kindOf(value: unknown): AttributeKind {
  if (typeof value === "boolean") return "BOOL";
  if (typeof value === "number") return "INT";
  return typeof value === "string" ? "STRING" : "SHAPE";
}

/** The addon behind a started backend, if it is tfjs-node's. */
export function tensorflowBinding(backend: object): NodeBinding | undefined {
  return (backend as Partial<NodeBackend>).binding;
}
