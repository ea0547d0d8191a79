import { type Attribute, type GraphNode, type GraphValue, type Initializer, type OnnxGraph, TYPES } from "./graph.ts";
import { floatField, intField, message, type Piece, textField } from "./wire.ts";

/** Where a tensor's bytes lie when they are not in the model's own file. */
export interface Place {
  /** File beside the model's. */
  readonly file: string;
  readonly offset: number;
}

/** Both versions of transformers.js read these; LayerNormalization came with opset 17, and ONNX Runtime 1.21 refuses opset 23. */
const IR_VERSION = 8;
const OPSET = 17;

/**
 * A model's file, field by field as onnx.proto numbers them. Tensors in `places` are only referred to.
 */
export function onnxFile(graph: OnnxGraph, places: ReadonlyMap<string, Place> = new Map()): Piece[] {
  return [
    ...intField(1, IR_VERSION),
    ...textField(2, "@kd/onnx-export"),
    ...message(7, [
      ...graph.nodes.flatMap((node) => message(1, nodeProto(node))),
      ...textField(2, graph.name),
      ...[...graph.initializers.values()].flatMap((one) => message(5, tensorProto(one, places.get(one.name)))),
      ...graph.inputs.flatMap((value) => message(11, valueInfo(value))),
      ...graph.outputs.flatMap((value) => message(12, valueInfo(value))),
    ]),
    ...message(8, [...textField(1, ""), ...intField(2, OPSET)]),
  ];
}

const nodeProto = ({ name, op, inputs, outputs, attributes }: GraphNode): Piece[] => [
  ...inputs.flatMap((input) => textField(1, input)),
  ...outputs.flatMap((output) => textField(2, output)),
  ...textField(3, name),
  ...textField(4, op),
  ...Object.entries(attributes).flatMap(([key, value]) => message(5, [...textField(1, key), ...attributeValue(value)])),
];

function attributeValue(value: Attribute): Piece[] {
  const type = 20;
  if (typeof value === "number") return [...intField(3, value), ...intField(type, 2)];
  if ("float" in value) return [...floatField(2, value.float), ...intField(type, 1)];
  return [...value.flatMap((one) => intField(8, one)), ...intField(type, 7)];
}

function tensorProto({ name, type, shape, data }: Initializer, place: Place | undefined): Piece[] {
  const head = [...shape.flatMap((size) => intField(1, size)), ...intField(2, TYPES[type]), ...textField(8, name)];
  if (place === undefined) return [...head, ...message(9, [data])];
  const entries = { location: place.file, offset: place.offset, length: data.byteLength };
  return [
    ...head,
    ...Object.entries(entries).flatMap(([key, value]) =>
      message(13, [...textField(1, key), ...textField(2, String(value))]),
    ),
    ...intField(14, 1),
  ];
}

function valueInfo({ name, type, shape }: GraphValue): Piece[] {
  const sizes = shape.flatMap((size) => message(1, typeof size === "number" ? intField(1, size) : textField(2, size)));
  return [...textField(1, name), ...message(2, message(1, [...intField(1, TYPES[type]), ...message(2, sizes)]))];
}
