import type { ColumnMetaData, SchemaTree } from "hyparquet";
import { expect, it } from "vitest";
import { checkChunk } from "./parquet-guard.ts";

/** A struct of Thrift's compact protocol, all fields 32-bit numbers or structs. */
function struct(fields: Record<number, number | Uint8Array>): Uint8Array {
  const out: number[] = [];
  let last = 0;
  for (const [field, value] of Object.entries(fields)) {
    const type = typeof value === "number" ? 5 : 12;
    out.push(((Number(field) - last) << 4) | type, ...(typeof value === "number" ? varint(value * 2) : value));
    last = Number(field);
  }
  return Uint8Array.from([...out, 0]);
}
function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
}

const element = (name: string, repetition_type: "REQUIRED" | "OPTIONAL" | "REPEATED"): SchemaTree => ({
  children: [],
  count: 1,
  element: { name, repetition_type, type: "BYTE_ARRAY" },
  path: [name],
});
const optional = [element("root", "REQUIRED"), element("x", "OPTIONAL")];
const column = { codec: "UNCOMPRESSED", type: "BYTE_ARRAY" } as ColumnMetaData;

/** A data page: 4 values, definition levels as given, plain texts of one byte. */
function page(
  levels: readonly number[],
  { values = 4, encoding = 0, size }: { values?: number; encoding?: number; size?: number } = {},
): Uint8Array {
  const body = [levels.length, 0, 0, 0, ...levels, ...Array.from({ length: 4 }, () => [1, 0, 0, 0, 65]).flat()];
  const head = struct({
    1: 0,
    2: size ?? body.length,
    3: body.length,
    5: struct({ 1: values, 2: encoding, 3: 3, 4: 3 }),
  });
  return Uint8Array.from([...head, ...body]);
}

it("passes a page of four values in one run", () => {
  expect(() => checkChunk(page([4 * 2, 1]), column, optional)).not.toThrow();
});

it.each([
  [
    "a run of a billion values in a page of four",
    page([...varint(2 ** 30), 1]),
    /a run of 536870912 in a page of 4 values/,
  ],
  ["a packed run that is as long", page([...varint(2 ** 27 + 1), 1]), /a run of 536870912 in a page of 4/],
  ["an empty run, which never ends", page([0, 0]), /a run of 0/],
  ["more values than a row group may have", page([8, 1], { values: 5_000_000 }), /more than 4000000 values/],
  ["a delta encoding", page([8, 1], { encoding: 7 }), /encoding 7; write plain or dictionary/],
  [
    "a page that claims to unpack to a gigabyte",
    page([8, 1], { size: 2 ** 30 }),
    /pages of 1073741824 bytes, unpacked/,
  ],
  ["a page longer than its column", page([8, 1]).subarray(0, 20), /a page of \d+ bytes, packed/],
  ["no page header", Uint8Array.of(0x15, 0xff, 0xff), /a number goes on beyond the end/],
])("refuses %s", (_, bytes, message) => {
  expect(() => checkChunk(bytes, column, optional)).toThrow(message);
});

it("refuses a codec it cannot bound", () => {
  expect(() => checkChunk(page([8, 1]), { ...column, codec: "LZ4" }, optional)).toThrow(
    /codec LZ4, which is not supported; write with snappy/,
  );
});
