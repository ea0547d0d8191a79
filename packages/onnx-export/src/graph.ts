import type { Weights } from "./weights.ts";
import type { LazyBytes } from "./wire.ts";

/** Element types that the graphs use. */
export type ValueType = "float" | "float16" | "int64" | "bool";

/** A graph's input or output; a text is a size known when it runs. */
export interface GraphValue {
  readonly name: string;
  readonly type: ValueType;
  readonly shape: readonly (number | string)[];
}

/** An attribute: a whole number, whole numbers, or a float. */
export type Attribute = number | readonly number[] | { readonly float: number };

/** One operation. */
export interface GraphNode {
  /** Unique: ONNX Runtime 1.21 refuses two nodes of one name, and two without. */
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A constant of the graph, in the bytes that lie in the file. */
export interface Initializer {
  readonly name: string;
  readonly type: ValueType;
  readonly shape: readonly number[];
  readonly data: LazyBytes;
}

/** A whole graph as data, nodes in the order in which they run. */
export interface OnnxGraph {
  readonly name: string;
  readonly inputs: GraphValue[];
  readonly outputs: GraphValue[];
  readonly nodes: GraphNode[];
  readonly initializers: Map<string, Initializer>;
}

/** How the stored weights enter a graph. */
export interface GraphWeights {
  readonly weights: Weights;
  /** Type that matrices are stored in; they are widened where they are used. Vectors stay float32. */
  readonly dtype: "fp32" | "fp16";
}

/** Writes a graph down, an operation a call. Values go by their names. */
export interface GraphBuilder {
  readonly graph: OnnxGraph;
  input(name: string, type: ValueType, shape: GraphValue["shape"]): string;
  /** Gives a value that the graph computes its public name. */
  output(name: string, from: string, type: ValueType, shape: GraphValue["shape"]): void;
  /** The operation's first output. */
  node(op: string, inputs: readonly string[], attributes?: GraphNode["attributes"]): string;
  /** The same with several outputs. */
  nodes(op: string, inputs: readonly string[], count: number, attributes?: GraphNode["attributes"]): string[];
  /** A whole-number constant: a scalar, or a vector of sizes or axes. */
  ints(values: number | readonly number[]): string;
  /** A float constant: a scalar, or a vector. */
  floats(values: number | readonly number[]): string;
  /** Whether the model has this parameter. */
  has(name: string): boolean;
  /** A parameter as float32, its matrix turned to `[in, out]` on request. */
  weight(name: string, options?: { readonly transposed?: boolean }): string;
  /** A parameter as it is stored, with its type. */
  stored(
    name: string,
    options?: { readonly transposed?: boolean },
  ): { readonly value: string; readonly type: ValueType };
}

/** ONNX's numbers of element types. */
export const TYPES: Readonly<Record<ValueType, number>> = { float: 1, int64: 7, bool: 9, float16: 10 };

/** An empty graph. */
export function createGraph(name: string, { weights, dtype }: GraphWeights): GraphBuilder {
  const graph: OnnxGraph = { name, inputs: [], outputs: [], nodes: [], initializers: new Map() };
  const widened = new Map<string, string>();
  const nodes: GraphBuilder["nodes"] = (op, inputs, count, attributes = {}) => {
    const unique = `${op}_${graph.nodes.length}`;
    const outputs = Array.from({ length: count }, (_, i) => `${unique}:${i}`);
    graph.nodes.push({ name: unique, op, inputs, outputs, attributes });
    return outputs;
  };
  const node: GraphBuilder["node"] = (op, inputs, attributes) => nodes(op, inputs, 1, attributes)[0] as string;
  const constant = (key: string, type: ValueType, shape: readonly number[], bytes: Uint8Array): string => {
    const data = { byteLength: bytes.byteLength, read: async () => bytes };
    if (!graph.initializers.has(key)) graph.initializers.set(key, { name: key, type, shape, data });
    return key;
  };
  const shapeOf = (values: number | readonly number[]) => (typeof values === "number" ? [] : [values.length]);
  const keyOf = (kind: string, values: number | readonly number[]) => {
    const text = `${kind} ${JSON.stringify(values)}`; // equal constants are one
    return text.length > 60 ? `${kind} ${graph.initializers.size}` : text;
  };
  const stored: GraphBuilder["stored"] = (parameter, { transposed = false } = {}) => {
    const value = transposed ? `${parameter}^T` : parameter;
    const shape = weights.shape(parameter);
    const type = dtype === "fp16" && shape.length > 1 ? "float16" : "float";
    if (!graph.initializers.has(value))
      graph.initializers.set(value, {
        name: value,
        type,
        shape: transposed ? [...shape].reverse() : shape,
        data: weights.bytes(parameter, { half: type === "float16", transposed }),
      });
    return { value, type };
  };
  return {
    graph,
    nodes,
    node,
    stored,
    has: weights.has,
    input(name, type, shape) {
      graph.inputs.push({ name, type, shape });
      return name;
    },
    output(name, from, type, shape) {
      graph.nodes.push({
        name: `Identity_${graph.nodes.length}`,
        op: "Identity",
        inputs: [from],
        outputs: [name],
        attributes: {},
      });
      graph.outputs.push({ name, type, shape });
    },
    ints(values) {
      const list = [values].flat();
      const bytes = new Uint8Array(BigInt64Array.from(list, BigInt).buffer);
      return constant(keyOf("ints", values), "int64", shapeOf(values), bytes);
    },
    floats(values) {
      const bytes = new Uint8Array(Float32Array.from([values].flat()).buffer);
      return constant(keyOf("floats", values), "float", shapeOf(values), bytes);
    },
    weight(parameter, options) {
      const { value, type } = stored(parameter, options);
      if (type === "float") return value;
      const cast = widened.get(value) ?? node("Cast", [value], { to: TYPES.float });
      widened.set(value, cast);
      return cast;
    },
  };
}
