import type { ReadModel, ReadNode, Values } from "./read-onnx.ts";

/** Runs a graph in float64 by the definitions of ONNX's operations, for the few that the exports use. */
export function runGraph(model: ReadModel, inputs: Readonly<Record<string, Values>>): Map<string, Values> {
  const values = new Map<string, Values>([...model.initializers, ...Object.entries(inputs)]);
  for (const node of model.nodes) {
    const operation = operations[node.op];
    if (operation === undefined) throw new Error(`${node.name}: no operation ${node.op}`);
    const given = node.inputs.map((name) => values.get(name) ?? fail(`${node.name}: ${name} is not there yet`));
    const results = [operation(given as Parameters<Operation>[0], node)].flat();
    for (const [i, output] of node.outputs.entries()) values.set(output, results[i] as Values);
  }
  return new Map(model.outputs.map(({ name }) => [name, values.get(name) ?? fail(`no output ${name}`)]));
}

/** An operation knows how many inputs it has. */
type Operation = (inputs: [Values, Values, Values, Values], node: ReadNode) => Values | Values[];

function fail(message: string): never {
  throw new Error(message);
}
const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
const stridesOf = (shape: readonly number[]): number[] => shape.map((_, i) => product(shape.slice(i + 1)));
const int = (node: ReadNode, name: string, otherwise?: number): number =>
  (node.attributes.get(name) as number | undefined) ?? otherwise ?? fail(`${node.name}: no attribute ${name}`);
const ints = (node: ReadNode, name: string): number[] =>
  (node.attributes.get(name) as number[] | undefined) ?? fail(`${node.name}: no attribute ${name}`);
const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** Values of a shape, each from its indices. */
function build(shape: readonly number[], value: (at: readonly number[]) => number): Values {
  const data = new Float64Array(product(shape));
  const at = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = value(at);
    for (let axis = shape.length - 1; axis >= 0 && ++(at[axis] as number) === shape[axis]; axis--) at[axis] = 0;
  }
  return { shape, data };
}

/** Reads with the last axes aligned, sizes of one repeated. */
function reader({ shape, data }: Values): (at: readonly number[]) => number {
  const strides = stridesOf(shape).map((stride, i) => (shape[i] === 1 ? 0 : stride));
  return (at) =>
    data[strides.reduce((sum, s, i) => sum + s * (at[at.length - shape.length + i] as number), 0)] as number;
}

function broadcast(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map((shape) => shape[i - rank + shape.length] ?? 1);
    const size = sizes.find((one) => one !== 1) ?? 1;
    if (!sizes.every((one) => one === 1 || one === size)) fail(`shapes ${JSON.stringify(shapes)}`);
    return size;
  });
}

const elementwise =
  (f: (...x: number[]) => number): Operation =>
  (inputs) => {
    const readers = inputs.map(reader);
    return build(broadcast(inputs.map(({ shape }) => shape)), (at) => f(...readers.map((read) => read(at))));
  };

/** Applies a function to every row of the last axis. */
function rows({ shape, data }: Values, f: (row: Float64Array) => Iterable<number>): Values {
  const width = shape.at(-1) as number;
  const result = new Float64Array(data.length);
  for (let at = 0; at < data.length; at += width) result.set([...f(data.subarray(at, at + width))], at);
  return { shape, data: result };
}

const mean = (row: ArrayLike<number>): number => Array.from(row).reduce((a, b) => a + b, 0) / row.length;

/** Simpson's rule for 2/√π ∫ exp(-t²). */
function erf(x: number): number {
  const [end, steps] = [Math.min(Math.abs(x), 6), 200];
  const h = end / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i++) sum += (i === 0 || i === steps ? 1 : i % 2 ? 4 : 2) * Math.exp(-((i * h) ** 2));
  return (Math.sign(x) * 2 * sum * h) / (3 * Math.sqrt(Math.PI));
}

const operations: Readonly<Record<string, Operation>> = {
  Identity: ([x]) => x,
  Add: elementwise((a, b) => a + b),
  Sub: elementwise((a, b) => a - b),
  Mul: elementwise((a, b) => a * b),
  Div: elementwise((a, b) => a / b),
  Pow: elementwise((a, b) => a ** b),
  Neg: elementwise((a) => -a),
  Sqrt: elementwise(Math.sqrt),
  Tanh: elementwise(Math.tanh),
  Cos: elementwise(Math.cos),
  Sin: elementwise(Math.sin),
  Erf: elementwise(erf),
  Sigmoid: elementwise((a) => 1 / (1 + Math.exp(-a))),
  LessOrEqual: elementwise((a, b) => Number(a <= b)),
  And: elementwise((a, b) => Number(a !== 0 && b !== 0)),
  Where: elementwise((condition, a, b) => (condition ? a : b)),
  Cast: (inputs, node) => (int(node, "to") === 9 ? elementwise((a) => Number(a !== 0))(inputs, node) : inputs[0]),
  Shape: ([x]) => ({ shape: [x.shape.length], data: Float64Array.from(x.shape) }),
  Range: ([start, limit, step]) => {
    const [from, to, by] = [start, limit, step].map((one) =>
      one.shape.length === 0 ? one.data[0] : fail("no scalar"),
    );
    return build(
      [((to as number) - (from as number)) / (by as number)],
      ([i]) => (from as number) + (i as number) * (by as number),
    );
  },
  MatMul: ([a, b]) => {
    const [x, y] = [a, b];
    const [length, width] = [x.shape.at(-1) as number, y.shape.at(-1) as number];
    if (length !== y.shape.at(-2)) fail(`MatMul of ${x.shape} and ${y.shape}`);
    const outer = broadcast([x.shape.slice(0, -2), y.shape.slice(0, -2)]);
    const [readX, readY] = [reader(x), reader(y)];
    return build([...outer, x.shape.at(-2) as number, width], (at) => {
      const [left, r, c] = [at.slice(0, -2), at.at(-2) as number, at.at(-1) as number];
      let sum = 0;
      for (let k = 0; k < length; k++) sum += readX([...left, r, k]) * readY([...left, k, c]);
      return sum;
    });
  },
  Softmax: ([x], node) => {
    if (int(node, "axis") !== -1) fail("Softmax of another axis");
    return rows(x, (row) => {
      const greatest = Math.max(...row);
      const powers = row.map((one) => Math.exp(one - greatest));
      const sum = powers.reduce((p, q) => p + q, 0);
      return powers.map((one) => one / sum);
    });
  },
  ReduceMean: ([x], node) => {
    const { shape, data } = x;
    if (ints(node, "axes").join() !== "-1" || int(node, "keepdims") !== 1) fail("ReduceMean of other axes");
    const width = shape.at(-1) as number;
    const means = Float64Array.from({ length: data.length / width }, (_, i) =>
      mean(data.subarray(i * width, (i + 1) * width)),
    );
    return { shape: [...shape.slice(0, -1), 1], data: means };
  },
  LayerNormalization: ([x, scale, bias], node) =>
    rows(x, (row) => {
      const centre = mean(row);
      const deviation = Math.sqrt(mean(row.map((one) => (one - centre) ** 2)) + int(node, "epsilon"));
      return row.map((one, i) => ((one - centre) / deviation) * (scale.data[i] as number) + (bias?.data[i] as number));
    }),
  Transpose: ([x], node) => {
    const [perm, read] = [ints(node, "perm"), reader(x)];
    const { shape } = x;
    return build(
      perm.map((axis) => shape[axis] as number),
      (at) => read(shape.map((_, axis) => at[perm.indexOf(axis)] as number)),
    );
  },
  Reshape: ([x, sizes]) => {
    const { shape, data } = x;
    const wanted = Array.from(sizes.data, (size, i) => (size === 0 ? (shape[i] as number) : size));
    const known = product(wanted.filter((size) => size !== -1));
    const result = wanted.map((size) => (size === -1 ? data.length / known : size));
    return product(result) === data.length ? { shape: result, data } : fail(`Reshape of ${shape} to ${wanted}`);
  },
  Unsqueeze: ([x, axes]) => {
    const shape = [...x.shape];
    for (const axis of axes.data) shape.splice(axis, 0, 1);
    return { shape, data: x.data };
  },
  Expand: ([x, shape]) => build(broadcast([x.shape, [...shape.data]]), reader(x)),
  Gather: ([table, ids], node) => {
    if (int(node, "axis", 0) !== 0) fail("Gather of another axis");
    const { shape, data } = table;
    const width = product(shape.slice(1));
    const picked = Array.from(ids.data, (id) => data.subarray(id * width, (id + 1) * width));
    return {
      shape: [...ids.shape, ...shape.slice(1)],
      data: Float64Array.from(picked.flatMap((row) => [...row])),
    };
  },
  Concat: (inputs, node) => {
    const axis = axisOf(int(node, "axis"), inputs[0].shape.length);
    let end = 0;
    const ends = inputs.map(({ shape }) => (end += shape[axis] as number));
    const readers = inputs.map(reader);
    const shape = inputs[0].shape.map((size, i) => (i === axis ? (ends.at(-1) as number) : size));
    return build(shape, (at) => {
      const which = ends.findIndex((end) => (at[axis] as number) < end);
      return (readers[which] as (at: readonly number[]) => number)(
        at.map((x, i) => (i === axis ? x - (ends[which - 1] ?? 0) : x)),
      );
    });
  },
  Split: ([x], node) => {
    const { shape } = x;
    const axis = axisOf(int(node, "axis"), shape.length);
    const size = (shape[axis] as number) / node.outputs.length;
    return node.outputs.map((_, part) => cut(x, axis, part * size, (part + 1) * size));
  },
  Slice: ([x, starts, ends, axes]) => {
    const axis = axes.data[0] as number;
    return cut(x, axis, starts.data[0] as number, Math.min(ends.data[0] as number, x.shape[axis] as number));
  },
  Conv: ([x, kernel, bias], node) => {
    const { shape } = x;
    const [out, channels, height, width] = kernel.shape as [number, number, number, number];
    const [down, right] = ints(node, "strides") as [number, number];
    const sizes = [height, width].map(
      (size, i) => Math.floor(((shape[i + 2] as number) - size) / ([down, right][i] as number)) + 1,
    );
    const [readX, readKernel] = [reader(x), reader(kernel)];
    return build([shape[0] as number, out, ...sizes], ([image, o, top, left]) => {
      let sum = bias?.data[o as number] ?? 0;
      for (let c = 0; c < channels; c++)
        for (let i = 0; i < height; i++)
          for (let j = 0; j < width; j++)
            sum +=
              readX([image as number, c, (top as number) * down + i, (left as number) * right + j]) *
              readKernel([o as number, c, i, j]);
      return sum;
    });
  },
};

function cut(x: Values, axis: number, start: number, end: number): Values {
  const read = reader(x);
  return build(
    x.shape.map((size, i) => (i === axis ? end - start : size)),
    (at) => read(at.map((one, i) => (i === axis ? one + start : one))),
  );
}
