import { readFileSync } from "node:fs";

/** Values of one array, row by row. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** A model file as its bytes say, read by nothing of the writer's. */
export interface ReadModel {
  readonly irVersion: number;
  readonly opset: number;
  readonly nodes: ReadNode[];
  readonly initializers: Map<string, Values & { readonly type: number }>;
  readonly inputs: ReadValue[];
  readonly outputs: ReadValue[];
}
export interface ReadNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: string[];
  readonly outputs: string[];
  readonly attributes: Map<string, number | number[]>;
}
interface ReadValue {
  readonly name: string;
  readonly type: number;
  readonly shape: (number | string)[];
}

type Message = Map<number, (Uint8Array | number)[]>;

/** The fields of a protobuf message by their numbers, repeated ones in order. */
function fieldsOf(bytes: Uint8Array): Message {
  const fields: Message = new Map();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] as number;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(BigInt.asIntN(64, value));
    }
  };
  const part = (length: number): Uint8Array => {
    at += length;
    if (at > bytes.length) throw new Error("a field beyond its message");
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const [field, type] = [tag >> 3, tag & 7];
    if (type !== 0 && type !== 2 && type !== 5) throw new Error(`wire type ${type}`);
    const value =
      type === 0
        ? varint()
        : type === 2
          ? part(varint())
          : view.getFloat32(part(4).byteOffset - bytes.byteOffset, true);
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

const text = (bytes: Uint8Array | number | undefined) => new TextDecoder().decode(bytes as Uint8Array);
const all = (message: Message, field: number) => (message.get(field) ?? []) as Uint8Array[];
const texts = (message: Message, field: number) => all(message, field).map(text);
const numbers = (message: Message, field: number) => (message.get(field) ?? []) as number[];
const one = (message: Message, field: number) => fieldsOf(all(message, field)[0] as Uint8Array);

export function readOnnx(path: string): ReadModel {
  const model = fieldsOf(new Uint8Array(readFileSync(path)));
  const graph = one(model, 7);
  const initializers = all(graph, 5).map((bytes) => tensorOf(fieldsOf(bytes), path));
  return {
    irVersion: numbers(model, 1)[0] as number,
    opset: numbers(one(model, 8), 2)[0] as number,
    nodes: all(graph, 1).map((bytes) => nodeOf(fieldsOf(bytes))),
    initializers: new Map(initializers),
    inputs: all(graph, 11).map((bytes) => graphValue(fieldsOf(bytes))),
    outputs: all(graph, 12).map((bytes) => graphValue(fieldsOf(bytes))),
  };
}

function nodeOf(node: Message): ReadNode {
  const attributes = all(node, 5).map((bytes): [string, number | number[]] => {
    const attribute = fieldsOf(bytes);
    const type = numbers(attribute, 20)[0];
    const value = type === 7 ? numbers(attribute, 8) : numbers(attribute, type === 1 ? 2 : 3)[0];
    return [texts(attribute, 1)[0] as string, value as number | number[]];
  });
  const [[name], [op]] = [texts(node, 3), texts(node, 4)] as [[string], [string]];
  return { name, op, inputs: texts(node, 1), outputs: texts(node, 2), attributes: new Map(attributes) };
}

function graphValue(value: Message): ReadValue {
  const tensor = one(one(value, 2), 1);
  const shape = all(one(tensor, 2), 1).map((bytes) => {
    const size = fieldsOf(bytes);
    return numbers(size, 1)[0] ?? (texts(size, 2)[0] as string);
  });
  return { name: texts(value, 1)[0] as string, type: numbers(tensor, 1)[0] as number, shape };
}

function tensorOf(tensor: Message, path: string): [string, Values & { type: number }] {
  const type = numbers(tensor, 2)[0] as number;
  const bytes = numbers(tensor, 14)[0] === 1 ? external(tensor, path) : (all(tensor, 9)[0] as Uint8Array);
  const aligned = bytes.slice().buffer;
  const data =
    type === 1
      ? Float64Array.from(new Float32Array(aligned))
      : type === 7
        ? Float64Array.from(new BigInt64Array(aligned), Number)
        : Float64Array.from(new Uint16Array(aligned), halfToNumber);
  return [texts(tensor, 8)[0] as string, { type, shape: numbers(tensor, 1), data }];
}

function external(tensor: Message, path: string): Uint8Array {
  const entries = Object.fromEntries(
    all(tensor, 13).map((bytes) => [1, 2].map((field) => texts(fieldsOf(bytes), field)[0])),
  );
  const file = new Uint8Array(readFileSync(path.replace(/[^/]*$/, entries.location)));
  return file.subarray(Number(entries.offset), Number(entries.offset) + Number(entries.length));
}

const halfToNumber = (half: number): number => {
  const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return half & 0x8000 ? -size : size;
};
