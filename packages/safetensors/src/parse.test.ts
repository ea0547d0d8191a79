import fc from "fast-check";
import { expect, it } from "vitest";
import { parseSafetensors, serializeSafetensors, toFloat32, toHalf, toInt32, type WritableTensor } from "./index.ts";

const float = fc.float({ noDefaultInfinity: true, noNaN: true });
const stored: fc.Arbitrary<WritableTensor> = fc.array(fc.nat(4), { maxLength: 3 }).chain((shape) => {
  const size = { minLength: shape.reduce((a, b) => a * b, 1), maxLength: shape.reduce((a, b) => a * b, 1) };
  return fc.oneof(
    fc.float32Array({ ...size, noNaN: true }).map((data) => ({ dtype: "F32" as const, shape, data })),
    fc.int32Array(size).map((data) => ({ dtype: "I32" as const, shape, data })),
    fc.uint8Array(size).map((data) => ({ dtype: "U8" as const, shape, data })),
  );
});
const names = fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("7", "__proto__", "constructor", 'a"b', "a:b"));
const files = fc.uniqueArray(fc.tuple(names, stored), { selector: ([name]) => name, maxLength: 5 });

it("what is written is read", () => {
  fc.assert(
    fc.property(files, fc.dictionary(fc.string(), fc.string()), (tensors, metadata) => {
      const bytes = serializeSafetensors(tensors, metadata);
      const read = parseSafetensors(bytes);
      expect({ ...read.metadata }).toEqual({ ...metadata });
      expect([...read.tensors.keys()].sort()).toEqual(tensors.map(([name]) => name).sort());
      for (const [name, { dtype, shape, data }] of tensors) {
        const back = read.tensors.get(name);
        if (back === undefined) throw new Error(name);
        expect(back.dtype).toBe(dtype);
        expect(back.shape).toEqual(shape);
        expect(Array.from(dtype === "F32" ? toFloat32(back) : toInt32(back))).toEqual(Array.from(data));
      }
      expect(serializeSafetensors([...read.tensors].reverse(), { ...read.metadata })).toEqual(bytes);
    }),
  );
});

it("any truncation and any added byte is an error", () => {
  fc.assert(
    fc.property(files, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (tensors, part) => {
      const bytes = serializeSafetensors(tensors);
      expect(() => parseSafetensors(bytes.subarray(0, Math.floor(part * bytes.length)))).toThrow(broken);
      expect(() => parseSafetensors(Uint8Array.from([...bytes, 0]))).toThrow(broken);
    }),
  );
});

it("random damage gives a KdError or a file, never another error", () => {
  fc.assert(
    fc.property(files, fc.nat(), fc.nat(255), (tensors, at, value) => {
      const bytes = serializeSafetensors(tensors);
      bytes[at % bytes.length] = value;
      try {
        parseSafetensors(bytes);
      } catch (error) {
        expect(error).toMatchObject({ code: "KD_SAFETENSORS" });
      }
    }),
  );
});

const broken = expect.objectContaining({ code: "KD_SAFETENSORS" });
const entry = (begin: number, end: number, rest = {}) => ({
  dtype: "U8",
  shape: [end - begin],
  data_offsets: [begin, end],
  ...rest,
});

it.each([
  ["an overlap", { a: entry(0, 2), b: entry(1, 4) }, /"b": expected bytes from 2, got 1: tensors overlap/],
  ["a hole", { a: entry(0, 1), b: entry(2, 4) }, /"b": expected bytes from 1, got 2: tensors leave a hole/],
  ["a hole at the start", { a: entry(1, 4) }, /"a": expected bytes from 0/],
  ["bytes after the last", { a: entry(0, 3) }, /1 belong to no tensor/],
  ["an end beyond the file", { a: entry(0, 5) }, /"a".*truncated/],
  ["offsets that go back", { a: entry(4, 0, { shape: [4] }) }, /"a": expected 4 bytes/],
  ["a wrong length", { a: entry(0, 4, { dtype: "F32", shape: [2] }) }, /"a": expected 8 bytes for F32 \[2\], got 4/],
  ["an unknown dtype", { a: entry(0, 4, { dtype: "toString" }) }, /"a": expected a dtype/],
  ["a negative size", { a: entry(0, 4, { shape: [-2, -2] }) }, /"a": expected a shape/],
  ["an overflowing size", { a: entry(0, 4, { shape: [2 ** 40, 2 ** 40] }) }, /"a": expected a shape/],
  ["fractional offsets", { a: entry(0, 4, { data_offsets: [0, 4.5] }) }, /"a": expected data_offsets/],
  ["three offsets", { a: entry(0, 4, { data_offsets: [0, 2, 4] }) }, /"a": expected data_offsets/],
  ["no object", { a: 1 }, /"a": expected \{ dtype/],
  ["metadata of numbers", { __metadata__: { a: 1 }, a: entry(0, 4) }, /__metadata__/],
  [
    "a duplicate",
    '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"\\u0061":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
    /"a" twice/,
  ],
  ["malformed JSON", '{"a":', /expected JSON/],
  ["a list", "[]", /begins with \{/],
  ["an empty header", "", /begins with \{/],
])("%s is refused by name", (_, header, message) => {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + 4);
  bytes[0] = text.length & 255;
  bytes[1] = text.length >> 8;
  bytes.set(text, 8);
  const parse = () => parseSafetensors(bytes, "x.safetensors");
  expect(parse).toThrow(broken);
  expect(parse).toThrow(message);
  expect(parse).toThrow(/^x\.safetensors/);
});

it("a header beyond the limit, beyond the file or not in UTF-8 is refused", () => {
  const huge = Uint8Array.from([255, 255, 255, 255, 255, 255, 255, 255, 0x7b]);
  expect(() => parseSafetensors(huge)).toThrow(/at most 16777216/);
  expect(() => parseSafetensors(Uint8Array.from([9, 0, 0, 0, 0, 0, 0, 0, 0x7b]))).toThrow(/truncated/);
  expect(() => parseSafetensors(Uint8Array.from([2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff]))).toThrow(/UTF-8/);
});

it("narrow floats round to the nearest and widen exactly", () => {
  fc.assert(
    fc.property(float, (value) => {
      for (const dtype of ["F16", "BF16"] as const) {
        const once = toFloat32(of(dtype, value))[0] as number;
        expect(toFloat32(of(dtype, once))[0]).toBe(once);
        if (dtype === "BF16" && Math.abs(value) < 3e38)
          expect(Math.abs(once - value)).toBeLessThanOrEqual(2 ** -8 * Math.abs(value) + 1e-40);
        if (dtype === "F16" && Math.abs(value) < 65504)
          expect(Math.abs(once - value)).toBeLessThanOrEqual(2 ** -11 * Math.abs(value) + 2 ** -25);
      }
    }),
  );
  const f16 = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, 2 ** -25, 2 ** -24, -0, Number.NaN, -Infinity].map(
    (v) => toFloat32(of("F16", v))[0],
  );
  expect(f16).toEqual([1, 1 + 2 ** -9, 65504, Infinity, 0, 2 ** -24, -0, Number.NaN, -Infinity]);
  expect(toFloat32(of("BF16", 1 + 2 ** -8))[0]).toBe(1);
  expect(toFloat32(of("BF16", Number.NaN))[0]).toBeNaN();
});

const of = (dtype: "F16" | "BF16", value: number) => {
  const tensor = parseSafetensors(
    serializeSafetensors([["x", { dtype, shape: [1], data: Float32Array.of(value) }]]),
  ).tensors.get("x");
  if (tensor === undefined) throw new Error("lost");
  return tensor;
};

it("words of 16 bits are the file's own, or rounded from another type as a file's are", () => {
  const stored = of("BF16", 1.5);
  expect([...toHalf(stored, "BF16")]).toEqual([0x3fc0]);
  const aligned = { ...stored, data: new Uint8Array(Uint16Array.of(0x3fc0).buffer) };
  expect(toHalf(aligned, "BF16").buffer).toBe(aligned.data.buffer);
  expect([...toHalf(stored, "F16")]).toEqual([0x3e00]);
  fc.assert(
    fc.property(float, (value) => {
      for (const dtype of ["F16", "BF16"] as const)
        expect(toHalf(f32Of(value), dtype)).toEqual(toHalf(of(dtype, value), dtype));
    }),
  );
  expect(() => toHalf({ ...f32Of(1), dtype: "I32" }, "F16")).toThrow(/toInt32/);
});

const f32Of = (value: number) => ({
  dtype: "F32" as const,
  shape: [1],
  data: new Uint8Array(Float32Array.of(value).buffer),
});

it("writing refuses a name twice, data of another type and of another length", () => {
  const x: WritableTensor = { dtype: "F32", shape: [2], data: Float32Array.of(1, 2) };
  expect(() =>
    serializeSafetensors([
      ["x", x],
      ["x", x],
    ]),
  ).toThrow(/"x" again/);
  expect(() => serializeSafetensors([["x", { ...x, dtype: "I32" }]])).toThrow(/expected data of I32, got Float32Array/);
  expect(() => serializeSafetensors([["x", { ...x, shape: [3] }]])).toThrow(/expected 3 values/);
});

it("values that don't fit are refused, unaligned data is read", () => {
  const i64 = { dtype: "I64" as const, shape: [1], data: new Uint8Array(BigInt64Array.of(2n ** 31n).buffer) };
  expect(() => toInt32(i64)).toThrow(/32 bits/);
  expect(() => toFloat32(i64)).toThrow(/toInt32/);
  const shifted = new Uint8Array(5);
  shifted.set(new Uint8Array(Float32Array.of(0.5).buffer), 1);
  expect(toFloat32({ dtype: "F32", shape: [1], data: shifted.subarray(1) })).toEqual(Float32Array.of(0.5));
});

it("reads a text of megabytes, and refuses millions of values before it parses them", () => {
  const withHeader = (json: string) => {
    const text = new TextEncoder().encode(json);
    const bytes = new Uint8Array(8 + text.length);
    new DataView(bytes.buffer).setUint32(0, text.length, true);
    bytes.set(text, 8);
    return bytes;
  };
  const note = "\\u0041".repeat(1e6);
  expect(parseSafetensors(withHeader(`{"__metadata__":{"note":"${note}"}}`)).metadata.note).toHaveLength(1e6);
  expect(() => parseSafetensors(withHeader(`{"a":{"shape":[${"1,".repeat(2e6)}1]}}`))).toThrow(
    /at most 1000000 values/,
  );
});
