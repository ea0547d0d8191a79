import type { GraphBuilder } from "./graph.ts";

/** Activations by Hugging Face's names. */
export type Activation = "gelu" | "gelu_pytorch_tanh" | "quick_gelu" | "silu";

/** `x · Wᵀ + b`; the bias where the model has one. */
export function linear(g: GraphBuilder, x: string, name: string): string {
  const product = g.node("MatMul", [x, g.weight(`${name}.weight`, { transposed: true })]);
  return g.has(`${name}.bias`) ? g.node("Add", [product, g.weight(`${name}.bias`)]) : product;
}

/** Normalises the last axis by mean and variance. */
export function layerNorm(g: GraphBuilder, x: string, name: string, epsilon: number): string {
  return g.node("LayerNormalization", [x, g.weight(`${name}.weight`), g.weight(`${name}.bias`)], {
    axis: -1,
    epsilon: { float: epsilon },
  });
}

/** Divides by the root of the mean square, in the nodes that ONNX Runtime fuses. */
export function rmsNorm(g: GraphBuilder, x: string, name: string, epsilon: number): string {
  const square = g.node("ReduceMean", [g.node("Pow", [x, g.floats(2)])], { axes: [-1], keepdims: 1 });
  const root = g.node("Sqrt", [g.node("Add", [square, g.floats(epsilon)])]);
  return g.node("Mul", [g.node("Div", [x, root]), g.weight(`${name}.weight`)]);
}

/** Written out where opset 17 has no operation of the name. */
export function activate(g: GraphBuilder, x: string, activation: Activation): string {
  const half = (gate: string) => g.node("Mul", [g.node("Mul", [x, g.node("Add", [gate, g.floats(1)])]), g.floats(0.5)]);
  switch (activation) {
    case "gelu":
      return half(g.node("Erf", [g.node("Div", [x, g.floats(Math.SQRT2)])]));
    case "gelu_pytorch_tanh": {
      const cubed = g.node("Mul", [g.node("Pow", [x, g.floats(3)]), g.floats(0.044715)]);
      return half(g.node("Tanh", [g.node("Mul", [g.node("Add", [x, cubed]), g.floats(Math.sqrt(2 / Math.PI))])]));
    }
    case "quick_gelu":
      return g.node("Mul", [x, g.node("Sigmoid", [g.node("Mul", [x, g.floats(1.702)])])]);
    case "silu":
      return g.node("Mul", [x, g.node("Sigmoid", [x])]);
  }
}

/** `[B, T, H·headDim]` to `[B, H, T, headDim]`. */
export const splitHeads = (g: GraphBuilder, x: string, heads: number, headDim: number): string =>
  g.node("Transpose", [g.node("Reshape", [x, g.ints([0, 0, heads, headDim])])], { perm: [0, 2, 1, 3] });

/** `[B, H, T, headDim]` back to `[B, T, H·headDim]`. */
export const mergeHeads = (g: GraphBuilder, x: string, width: number): string =>
  g.node("Reshape", [g.node("Transpose", [x], { perm: [0, 2, 1, 3] }), g.ints([0, 0, width])]);

/** softmax(query · keyᵀ / √headDim + bias) · value over the last two axes. */
export function attention(
  g: GraphBuilder,
  options: {
    readonly query: string;
    readonly key: string;
    readonly value: string;
    readonly headDim: number;
    readonly bias?: string;
  },
): string {
  const { query, key, value, headDim, bias } = options;
  const scaled = g.node("Mul", [query, g.floats(headDim ** -0.5)]);
  const scores = g.node("MatMul", [scaled, g.node("Transpose", [key], { perm: [0, 1, 3, 2] })]);
  const masked = bias === undefined ? scores : g.node("Add", [scores, bias]);
  return g.node("MatMul", [g.node("Softmax", [masked], { axis: -1 }), value]);
}
