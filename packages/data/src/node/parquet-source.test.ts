import { existsSync, readdirSync, statSync, utimesSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { type ParquetWriteOptions, parquetWriteBuffer } from "hyparquet-writer";
import { expect, it } from "vitest";
import { record, temporaryFolder } from "../../test/temporary-folder.ts";
import { openHandle, openSource, pictureBytes } from "./index.ts";

const { at, write } = temporaryFolder();
const turns = (i: number) => (record(i, { image: "x", words: 1 + i }) as { conversations: object[] }).conversations;
const bytes = (i: number): Uint8Array => Uint8Array.from({ length: 50 + i }, (_, k) => (k * 7 + i) % 256);
const count = 7;
const rows = Array.from({ length: count }, (_, i) => i);
type Columns = ParquetWriteOptions["columnData"];
const file = (
  name: string,
  columnData: Columns,
  options: Omit<ParquetWriteOptions, "columnData" | "writer"> = {},
): string => write(name, new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 3, ...options })));
const text = { name: "conversations", data: rows.map((i) => JSON.stringify(turns(i))), type: "STRING" as const };
const ids = { name: "id", data: rows.map(BigInt), type: "INT64" as const };
const element = (name: string, rest: object) => ({ name, repetition_type: "OPTIONAL" as const, ...rest });
const leaf = (name: string, isText = true) =>
  element(name, { type: "BYTE_ARRAY", ...(isText ? { converted_type: "UTF8" } : {}) });

/** Hugging Face's layout: an image is bytes and a path, turns are a list of structs. */
function nested(name: string, options: Omit<ParquetWriteOptions, "columnData" | "writer"> = {}): string {
  const columnData = [
    { name: "image", data: rows.map((i) => (i === 2 ? null : { bytes: bytes(i), path: `${i}.jpg` })) },
    { name: "conversations", data: rows.map(turns) },
    { name: "unrelated", data: rows.map((i) => `u${i}`) },
  ];
  const schema = [
    { name: "root", num_children: 3 },
    element("image", { num_children: 2 }),
    leaf("bytes", false),
    leaf("path"),
    element("conversations", { num_children: 1, converted_type: "LIST" }),
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    element("element", { num_children: 2 }),
    leaf("from"),
    leaf("value"),
    leaf("unrelated"),
  ] as NonNullable<ParquetWriteOptions["schema"]>;
  return file(name, columnData, { schema, ...options });
}

it.each(["SNAPPY", "UNCOMPRESSED", "GZIP"] as const)("reads nested columns with pictures inside, %s", async (codec) => {
  const path = nested(`${codec}.parquet`, { codec, compressors: { GZIP: (input) => gzipSync(input) } });
  for (const _ of ["first", "warm"]) {
    const source = await openSource(path, { name: "p" });
    expect([...source.lengths]).toEqual(rows.map((i) => (i === 2 ? -1 : 1) * (5 + 1 + i)));
    const again = await openHandle(structuredClone(source.handle));
    for (const i of [6, 0, 2, 3]) {
      const got = await again.get(i);
      expect(got).toMatchObject({
        where: `p[${i}]`,
        value: { conversations: turns(i), ...(i === 2 ? {} : { image: "#0" }) },
      });
      if (i !== 2) expect([...(await pictureBytes(got, "#0")).bytes]).toEqual([...bytes(i)]);
    }
    await Promise.all([source.close(), again.close()]);
  }
});

it("reads turns as JSON text, paths of pictures, and shards in the order of their names", async () => {
  const image = { name: "image", data: rows.map((i) => (i % 2 ? null : `${i}.jpg`)), type: "STRING" as const };
  for (const shard of [1, 0]) file(`shards/train-0000${shard}-of-00002.parquet`, [ids, image, text]);
  const source = await openSource(at("shards"), { name: "s" });
  expect(source.length).toBe(2 * count);
  const { value, where, imageFolder } = await source.get(count + 4);
  expect({ value, where }).toEqual({
    where: "s/train-00001-of-00002.parquet[4]",
    value: { id: 4, image: "4.jpg", conversations: turns(4) },
  });
  expect(imageFolder).toBe(at("shards"));
  expect((await source.get(1)).value).toEqual({ id: 1, conversations: turns(1) });
  await expect(source.get(2 * count)).rejects.toThrow(/s\[14\]: expected an index below 14/);
  await source.close();
});

it("refuses a folder of several splits, whose mixture would be a leak", async () => {
  for (const name of ["train-00000-of-00001", "test-00000-of-00001"]) file(`splits/${name}.parquet`, [ids, text]);
  await expect(openSource(at("splits"), { name: "s" })).rejects.toMatchObject({
    code: "KD_DATA",
    message: expect.stringMatching(/^s: expected Parquet files of one split, got test, train;/),
  });
});

it("unpacks another state of the file anew and removes the old", async () => {
  const path = file("state.parquet", [ids, text]);
  await (await openSource(path)).close();
  const unpacked = (): string[] =>
    readdirSync(at(".")).filter((name) => /^state\.parquet\.\w+\.kd-unpacked$/.test(name));
  const before = unpacked();
  const left = (name: string): string => write(`state.parquet.${"0".repeat(20)}.kd-unpacked.${name}.tmp`, "unfinished");
  const [old, present] = [left("old"), left("present")];
  utimesSync(old, 1e9, 1e9);
  file("state.parquet", [{ ...ids, data: rows.map((i) => BigInt(100 + i)) }, text]);
  const source = await openSource(path);
  expect((await source.get(0)).value).toMatchObject({ id: 100 });
  expect(unpacked()).toHaveLength(1);
  expect(unpacked()).not.toEqual(before);
  expect(readdirSync(at(".")).filter((name) => /^state\.parquet\..*\.kd-index$/.test(name))).toHaveLength(1);
  expect([existsSync(old), existsSync(present)]).toEqual([false, true]); // a process that was killed, and one that still writes
  expect(statSync(at(unpacked()[0] as string)).size).toBeGreaterThan(0);
  await source.close();
});

it("counts a row without turns as bad", async () => {
  const source = await openSource(
    file("bad.parquet", [
      { ...text, data: rows.map((i) => (i === 1 ? "[" : i === 2 ? null : JSON.stringify(turns(i)))) },
    ]),
  );
  expect([...source.lengths].map((n) => n === 0)).toEqual(rows.map((i) => i === 1 || i === 2));
  await source.close();
});

it.each([
  [
    "delta",
    [{ ...text, encoding: "DELTA_LENGTH_BYTE_ARRAY" as const }],
    /encoding 6; write plain or dictionary encoding/,
  ],
  ["columns", [{ name: "text", data: ["x"] }], /columns text, not conversations/],
] as [string, Columns, RegExp][])("refuses %s by name", async (name, columns, message) => {
  await expect(openSource(file(`${name}.parquet`, columns))).rejects.toMatchObject({
    code: "KD_DATA",
    message: expect.stringMatching(message),
  });
});

it("names a file that is none", async () => {
  for (const content of ["", "PAR1", "x".repeat(100), `${"x".repeat(90)}\xff\xff\xff\x7fPAR1`])
    await expect(openSource(write("none.parquet", content), { name: "n" })).rejects.toMatchObject({
      code: "KD_DATA",
      message: expect.stringMatching(/^n: expected a Parquet file that can be read/),
    });
});
