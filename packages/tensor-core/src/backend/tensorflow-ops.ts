import { engine } from "@tensorflow/tfjs-core";
import type { Tensor } from "../ops.ts";

type AttributeKind = "TYPE" | "BOOL" | "SHAPE" | "STRING";

/** What is used of tfjs-node's backend, which is an optional package's. */
interface NodeBackend {
  readonly binding?: Readonly<Record<"TF_FLOAT" | "TF_INT32" | `TF_ATTR_${AttributeKind}`, number>> & {
    readonly TF_Version: string;
  };
  executeMultipleOutputs(name: string, attributes: object[], inputs: Tensor[], outputs: number): Tensor[];
}

/** TensorFlow's own operations, where one of them does the work of many of tfjs's. */
export interface TensorflowOps {
  /** Runs one on float32 (`T`) and int32 (`Tlabels`) tensors; its outputs are tracked by tidy. */
  run(
    name: string,
    inputs: readonly Tensor[],
    outputs: number,
    attributes?: Readonly<Record<string, unknown>>,
  ): Tensor[];
}

const types: Readonly<Record<string, "TF_FLOAT" | "TF_INT32">> = {
  T: "TF_FLOAT",
  dtype: "TF_FLOAT",
  Tlabels: "TF_INT32",
};
const kindOf = (value: unknown): AttributeKind =>
  typeof value === "boolean" ? "BOOL" : typeof value === "string" ? "STRING" : "SHAPE";

/** Those of the current backend; undefined when it is not tfjs-node's. */
export function tensorflowOps(): TensorflowOps | undefined {
  if (engine().backendName !== "tensorflow") return undefined;
  const backend = engine().backend as unknown as NodeBackend;
  const { binding } = backend;
  if (binding === undefined) return undefined;
  return {
    run(name, inputs, outputs, attributes = { T: "float32" }) {
      const list = Object.entries(attributes).map(([key, value]) => {
        const type = types[key];
        return type === undefined
          ? { name: key, type: binding[`TF_ATTR_${kindOf(value)}`], value }
          : { name: key, type: binding.TF_ATTR_TYPE, value: binding[type] };
      });
      return backend.executeMultipleOutputs(name, list, [...inputs], outputs);
    },
  };
}

/** The library behind a started backend, if it is tfjs-node's. */
export function tensorflowVersion(backend: object): { library?: string; version?: string } {
  const { binding } = backend as Partial<NodeBackend>;
  return binding === undefined ? {} : { library: "TensorFlow", version: binding.TF_Version };
}
