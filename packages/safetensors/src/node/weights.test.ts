import { mkdir, mkdtemp, open, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { toFloat32 } from "../index.ts";
import { openWeights, readSafetensors, readWeights, streamWeights, writeSafetensors, writeWeights } from "./index.ts";

let folder: string;
const tensor = (value: number) => ({ dtype: "F32" as const, shape: [1], data: Float32Array.of(value) });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kd-safetensors-"));
});
afterAll(() => rm(folder, { recursive: true }));

const shards = async (name: string, map: unknown) => {
  const root = join(folder, name);
  await mkdir(root, { recursive: true });
  await writeSafetensors(join(root, "model-1.safetensors"), [["a", tensor(1)]]);
  await writeSafetensors(join(root, "model-2.safetensors"), [["b", tensor(2)]]);
  await writeFile(join(root, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
  return root;
};

it("replaces a file whole and leaves nothing beside it", async () => {
  const root = join(folder, "single");
  await mkdir(root);
  const path = join(root, "model.safetensors");
  await writeSafetensors(path, [["a", tensor(1)]]);
  await writeSafetensors(path, [["a", tensor(2)]], { format: "pt" });
  await expect(writeSafetensors(path, [["a", { ...tensor(1), shape: [3] }]])).rejects.toThrow(/expected 3 values/);
  expect(await readdir(root)).toEqual(["model.safetensors"]);
  const { metadata, tensors } = await readSafetensors(path);
  expect(metadata).toEqual({ format: "pt" });
  expect([...tensors.values()].map(toFloat32)).toEqual([Float32Array.of(2)]);
  for (const from of [root, path]) expect([...(await readWeights(from)).keys()]).toEqual(["a"]);
});

it("reads a tensor into the memory that it is given", async () => {
  const weights = await openWeights(await shards("into", { b: "model-2.safetensors", a: "model-1.safetensors" }));
  const own = new Uint8Array(new SharedArrayBuffer(8), 4);
  const seen = new Map<string, unknown>();
  for await (const [name, { data }] of weights.stream(["a", "b"], { into: (at) => (at === "a" ? own : undefined) }))
    seen.set(name, data === own);
  expect([...seen]).toEqual([
    ["a", true],
    ["b", false],
  ]);
  expect([...new Float32Array(own.buffer)]).toEqual([0, 1]);
});

it("joins shards", async () => {
  const root = await shards("sharded", { b: "model-2.safetensors", a: "model-1.safetensors" });
  for (const from of [root, join(root, "model.safetensors.index.json")]) {
    const weights = await readWeights(from);
    expect([...weights].map(([name, t]) => [name, toFloat32(t)[0]])).toEqual([
      ["b", 2],
      ["a", 1],
    ]);
  }
});

it.each([
  ["a parent", { a: "../single/model.safetensors" }, /expected a file name/],
  ["an absolute path", { a: "/etc/x.safetensors" }, /expected a file name/],
  ["a Windows path", { a: "..\\x.safetensors" }, /expected a file name/],
  ["a number", { a: 1 }, /expected a file name/],
  ["a missing shard", { a: "model-3.safetensors" }, /model-3\.safetensors: expected a readable file, got ENOENT/],
  ["a missing tensor", { c: "model-1.safetensors" }, /expected tensor "c"/],
  ["no map", 3, /expected weight_map/],
])("an index with %s is refused", async (name, map, message) => {
  const root = await shards(`bad ${name.replaceAll(" ", "-")}`, map);
  await expect(readWeights(root)).rejects.toThrow(message);
  await expect(readWeights(root)).rejects.toMatchObject({ code: "KD_SAFETENSORS" });
});

it("says what is missing", async () => {
  await mkdir(join(folder, "empty"));
  await expect(readWeights(join(folder, "empty"))).rejects.toThrow(/expected model\.safetensors, /);
  await expect(readWeights(join(folder, "nowhere"))).rejects.toThrow(/ENOENT/);
});

it("writes shards of a size, and streams them one at a time through the same memory", async () => {
  const root = join(folder, "written");
  await mkdir(root);
  let [alive, most] = [0, 0];
  const lazy = (name: string, dtype: "F32" | "BF16", values: number[]) =>
    [
      name,
      {
        dtype,
        shape: [values.length],
        data: async () => {
          most = Math.max(most, ++alive);
          await Promise.resolve();
          alive--;
          return Float32Array.from(values);
        },
      },
    ] as const;
  const tensors = [lazy("b", "F32", [1, 2, 3]), lazy("a", "BF16", [4, 5]), lazy("c", "F32", [6])];
  await writeWeights(root, tensors, { maxShardSize: 12 });
  expect(most).toBe(1);
  expect((await readdir(root)).sort()).toEqual([
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
  ]);
  const seen: [string, number[]][] = [];
  const buffers = new Set<ArrayBufferLike>();
  for await (const [name, t] of streamWeights(root)) {
    seen.push([name, [...toFloat32(t)]]);
    buffers.add(t.data.buffer);
  }
  expect(seen).toEqual([
    ["c", [6]],
    ["a", [4, 5]],
    ["b", [1, 2, 3]],
  ]);
  expect([...buffers].map(({ byteLength }) => byteLength)).toEqual([12]);
  const { tensors: listed, stream } = await openWeights(root);
  expect([...listed].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
    ["a", "BF16", [2]],
    ["b", "F32", [3]],
    ["c", "F32", [1]],
  ]);
  const chosen = [];
  for await (const [name] of stream(["c"])) chosen.push(name);
  expect(chosen).toEqual(["c"]);
  await expect(stream(["d"]).next()).rejects.toThrow(/expected tensor "d"/);
});

it("one shard is a single file, and a tensor that fails leaves nothing", async () => {
  const root = join(folder, "one");
  await mkdir(root);
  await expect(
    writeWeights(root, [["a", { dtype: "F32", shape: [1], data: () => Promise.reject(new Error("no data")) }]]),
  ).rejects.toThrow("no data");
  expect(await readdir(root)).toEqual([]);
  await writeWeights(root, [["a", tensor(1)]]);
  expect(await readdir(root)).toEqual(["model.safetensors"]);
  expect((await readSafetensors(join(root, "model.safetensors"))).metadata).toEqual({ format: "pt" });
});

it("refuses a header of 100 MB without reading it, and one of brackets without parsing it", async () => {
  const path = join(folder, "bomb.safetensors");
  const file = await open(path, "w");
  await file.write(Uint8Array.from([0, 0xe1, 0xf5, 5, 0, 0, 0, 0, 0x7b])); // 100,000,000
  await file.close();
  await truncate(path, 100_000_008);
  const before = process.memoryUsage().arrayBuffers;
  await expect(readWeights(path)).rejects.toThrow(/header of at most 16777216 bytes, got 100000000/);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e6);
  const nested = new TextEncoder().encode(`{"a":${"[".repeat(1e6)}`);
  const bytes = new Uint8Array(8 + nested.length);
  new DataView(bytes.buffer).setUint32(0, nested.length, true);
  bytes.set(nested, 8);
  await writeFile(path, bytes);
  await expect(readWeights(path)).rejects.toThrow(/nested brackets/);
  await truncate(path, 5);
  await expect(readWeights(path)).rejects.toThrow(/truncated/);
});
