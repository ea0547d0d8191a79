import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { contentHash, type DiskCache, hashFiles, keyHash, openDiskCache } from "./index.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kd-disk-cache-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (format = "test 1"): DiskCache => openDiskCache(folder, { format });
const bytesFor = (i: number): Uint8Array => Uint8Array.from({ length: 50 + i }, (_, j) => (i * 7 + j) % 256);
const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`);
const file = (end: string): string => join(folder, readdirSync(folder).find((name) => name.endsWith(end)) as string);

function filled(): DiskCache {
  const cache = open();
  for (const from of [0, 10]) cache.add(keys.slice(from, from + 10).map((key, i) => [key, bytesFor(from + i)]));
  return cache;
}

it("gives entries back, to itself, to who opens later, and says how large it is", () => {
  const cache = filled();
  for (const reader of [cache, open()]) {
    for (const [i, key] of keys.entries()) expect(Uint8Array.from(reader.get(key) ?? [])).toEqual(bytesFor(i));
    expect([reader.has("key 3"), reader.has("key"), reader.get("key")]).toEqual([true, false, undefined]);
    expect(reader.size()).toEqual({ entries: 20, bytes: 20 * 50 + 190 });
    expect(reader.notices).toEqual([]);
  }
});

it("finds each of thousands of keys, and lists their hashes", () => {
  const many = Array.from({ length: 5000 }, (_, i) => `key ${i}`);
  const cache = open();
  cache.add(many.map((key, i) => [key, Uint8Array.of(i % 256, i >> 8)]));
  for (const reader of [cache, open()]) {
    for (const [i, key] of many.entries()) expect([...(reader.get(key) ?? [])]).toEqual([i % 256, i >> 8]);
    expect(reader.has("key 5000")).toBe(false);
    expect(reader.size()).toEqual({ entries: 5000, bytes: 10_000 });
    expect([...reader.hashes()].sort()).toEqual(many.map(keyHash).sort());
  }
});

it("adds nothing twice and makes no file for nothing", () => {
  const cache = filled();
  const before = readFileSync(file(".data")).length;
  cache.add([["key 1", bytesFor(5)]]);
  expect(readFileSync(file(".data"))).toHaveLength(before);
  open().add([["key 1", bytesFor(5)]]);
  expect(readdirSync(folder)).toHaveLength(2);
});

it("serves processes that add side by side", () => {
  const [one, two] = [open(), open()];
  one.add([["a", bytesFor(1)]]);
  two.add([
    ["b", bytesFor(2)],
    ["a", bytesFor(1)],
  ]);
  one.add([["c", bytesFor(3)]]);
  const later = open();
  expect(["a", "b", "c"].map((key) => [...(later.get(key) ?? [])])).toEqual([1, 2, 3].map((i) => [...bytesFor(i)]));
  expect(later.size()).toEqual({ entries: 3, bytes: 156 });
});

it("begins new files when they are large", () => {
  const cache = openDiskCache(folder, { format: "test 1", shardBytes: 100 });
  for (const [i, key] of keys.entries()) cache.add([[key, bytesFor(i)]]);
  expect(readdirSync(folder).length).toBeGreaterThan(20);
  expect(keys.map((key) => [...(open().get(key) ?? [])])).toEqual(keys.map((_, i) => [...bytesFor(i)]));
  expect(cache.has("key 19")).toBe(true);
});

it("has whole entries or none, wherever its files were cut", () => {
  filled().close();
  for (const end of [".index", ".data"]) {
    const path = file(end);
    const bytes = readFileSync(path);
    for (let length = bytes.length; length >= 0; length -= 13) {
      truncateSync(path, length);
      const cache = open();
      for (const [i, key] of keys.entries()) {
        const value = cache.get(key);
        if (value !== undefined) expect([...value]).toEqual([...bytesFor(i)]);
      }
      if (length === 0) expect(cache.size().entries).toBe(0);
    }
    writeFileSync(path, bytes);
  }
});

it("never gives damaged bytes, says where they are, and takes the entry again", () => {
  filled().close();
  const bytes = readFileSync(file(".data"));
  for (let at = 0; at < bytes.length; at += 97) {
    const wrong = Uint8Array.from(bytes);
    wrong[at] = (wrong[at] as number) ^ 16;
    writeFileSync(file(".data"), wrong);
    const cache = open();
    const lost = keys.filter((key, i) => {
      const value = cache.get(key);
      if (value !== undefined) expect([...value]).toEqual([...bytesFor(i)]);
      return value === undefined;
    });
    expect(lost).toHaveLength(1);
    expect(cache.notices).toEqual([expect.stringMatching(/\.data: an entry at \d+ is damaged and not used$/)]);
    expect(cache.has(lost[0] as string)).toBe(false);
    cache.close();
  }
  const cache = open();
  const lost = keys.findIndex((key) => cache.get(key) === undefined);
  cache.add([[`key ${lost}`, bytesFor(lost)]]);
  cache.close();
  expect([...(open().get(`key ${lost}`) ?? [])]).toEqual([...bytesFor(lost)]);
});

it("never gives the bytes of another key where the index was damaged", () => {
  filled().close();
  const bytes = readFileSync(file(".index"));
  for (let at = 32; at < bytes.length; at += 5) {
    const wrong = Uint8Array.from(bytes);
    wrong[at] = (wrong[at] as number) ^ 1;
    writeFileSync(file(".index"), wrong);
    const cache = open();
    for (const [i, key] of keys.entries()) {
      const value = cache.get(key);
      if (value !== undefined) expect([...value]).toEqual([...bytesFor(i)]);
    }
    cache.close();
  }
});

it("leaves files of another format alone", () => {
  filled().close();
  const other = open("test 2");
  expect(other.size().entries).toBe(0);
  expect(other.notices).toEqual([expect.stringMatching(/\.index: of another format or version; it is left alone$/)]);
  other.add([["key 1", bytesFor(9)]]);
  expect([...(open().get("key 1") ?? [])]).toEqual([...bytesFor(1)]);
  expect([...(open("test 2").get("key 1") ?? [])]).toEqual([...bytesFor(9)]);
});

it("loses nothing that was added when its processes are killed", async () => {
  const script = join(import.meta.dirname, "../../test/keep-adding.mjs");
  const last = await Promise.all(
    ["a", "b"].map(
      (name) =>
        new Promise<number>((resolve, reject) => {
          const child = spawn(process.execPath, [script, folder, name], {
            stdio: ["ignore", "pipe", "inherit"],
          });
          let text = "";
          child.stdout.on("data", (piece) => {
            text += piece;
            if (text.split("\n").length > 40) child.kill("SIGKILL");
          });
          child.on("exit", (_, signal) =>
            signal === "SIGKILL" ? resolve(text.split("\n").length - 2) : reject(new Error(text)),
          );
        }),
    ),
  );
  const cache = open();
  for (const [place, name] of ["a", "b"].entries())
    for (let i = 0; i <= (last[place] as number); i++)
      expect([...(cache.get(`${name}-${i}`) ?? [])], `${name}-${i}`).toEqual(new Array(1000).fill(i % 251));
  expect(cache.notices).toEqual([]);
});

it("says what the file system refuses", () => {
  writeFileSync(join(folder, "file"), "");
  expect(() => openDiskCache(join(folder, "file", "in"), { format: "t" })).toThrow(
    /expected to make it, got ENOTDIR: a file stands where a folder should/,
  );
  if (process.getuid?.() === 0) return; // root may write anywhere
  chmodSync(folder, 0o500);
  expect(() => open().add([["a", bytesFor(1)]])).toThrow(/expected to write it, got EACCES: no permission/);
});

it("says once a file how much of it is cut off", () => {
  filled().close();
  truncateSync(file(".data"), 120);
  expect(open().notices).toEqual([
    expect.stringMatching(/\.data: cut off at 120 bytes; 18 of its entries are not there$/),
  ]);
});

it.skipIf(process.platform === "win32")("leaves no files where a first write fails", () => {
  const script = join(import.meta.dirname, "../../test/no-file-longer-than-0.sh");
  const { status, stdout } = spawnSync("sh", [script, process.execPath, folder], { encoding: "utf8" });
  expect([status, stdout]).toEqual([0, expect.stringMatching(/^KD_IO .*: expected to write it, got EFBIG/)]);
  expect(readdirSync(folder)).toEqual([]);
});

it("hashes content, not where one part ends and the next begins", async () => {
  expect(contentHash(["ab", "c"])).not.toBe(contentHash(["a", "bc"]));
  const [ab, c] = [Uint8Array.of(97, 98), Uint8Array.of(99)];
  expect(contentHash([ab, c])).not.toBe(contentHash([Uint8Array.of(97), Uint8Array.of(98, 99)]));
  expect(contentHash([ab, c])).toBe(contentHash([ab.slice(), c]));
  expect(contentHash([ab, c])).not.toBe(contentHash([c, ab]));
  writeFileSync(join(folder, "a"), "1");
  writeFileSync(join(folder, "b"), "1");
  const [a, b] = [join(folder, "a"), join(folder, "b")];
  expect(await hashFiles([a, b])).toBe(await hashFiles([a, b]));
  expect(await hashFiles([a])).not.toBe(await hashFiles([b]));
  await expect(hashFiles([join(folder, "c")])).rejects.toMatchObject({ code: "KD_IO" });
});
