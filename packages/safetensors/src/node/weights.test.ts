import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { toFloat32 } from "../index.ts";
import { readSafetensors, readWeights, writeSafetensors } from "./index.ts";

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
  await expect(readWeights(join(folder, "empty"))).rejects.toThrow(/expected model\.safetensors or/);
  await expect(readWeights(join(folder, "nowhere"))).rejects.toThrow(/ENOENT/);
});
