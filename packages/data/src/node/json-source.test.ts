import { existsSync, readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { record, temporaryFolder } from "../../test/temporary-folder.ts";
import { openHandle, openSource } from "./index.ts";

const { write, at, path } = temporaryFolder();
const records = [record(0, { image: "a.png", words: 5 }), record(1), { id: 2 }, record(3, { image: "b.png" })];
const lines = records.map((each) => JSON.stringify(each)).join("\n");

it.each([
  ["array.json", JSON.stringify(records)],
  ["indented.json", JSON.stringify(records, undefined, 2)],
  ["lines.jsonl", lines],
  ["lines.json", `${lines}\n`],
  ["array.json.gz", gzipSync(JSON.stringify(records))],
  ["lines.jsonl.gz", gzipSync(lines)],
])("reads %s, at once and from its index", async (name, content) => {
  const file = write(name, content);
  for (const _ of ["first", "warm"]) {
    const source = await openSource(file, { name: "d" });
    expect([...source.lengths]).toEqual([10, -7, 0, 8]); // "<image>" is a word, as for LLaVA; a record without turns is 0
    for (const [i, value] of records.entries())
      expect(await source.get(i)).toEqual({ value, where: `d[${i}]`, imageFolder: path, linkedFolders: [] });
    await expect(source.get(4)).rejects.toThrow(/d\[4\]: expected an index below 4/);
    const again = await openHandle(structuredClone(source.handle));
    expect((await again.get(3)).value).toEqual(records[3]);
    await Promise.all([source.close(), again.close()]);
  }
});

it("uses its index again, but never that of another state of the file or a damaged one", async () => {
  const file = write("state.json", JSON.stringify([record(0)]));
  const words = async (): Promise<number[]> => {
    const source = await openSource(file);
    await source.close();
    return [...source.lengths];
  };
  expect(await words()).toEqual([-7]);
  const index = readFileSync(`${file}.kd-index`);
  const { mtimeNs, ino } = statSync(`${file}.kd-index`, { bigint: true });
  expect(await words()).toEqual([-7]);
  expect(statSync(`${file}.kd-index`, { bigint: true })).toMatchObject({ mtimeNs, ino }); // not written again

  const { atime, mtime, size } = statSync(file);
  writeFileSync(file, JSON.stringify([record(0)]).replace("star star", "star-star")); // as long, and set back in time
  utimesSync(file, atime, mtime);
  expect(statSync(file).size).toBe(size);
  expect(await words()).toEqual([-6]);

  const fresh = readFileSync(`${file}.kd-index`);
  for (const damaged of [
    index,
    fresh.subarray(0, -1),
    Buffer.alloc(fresh.length),
    Buffer.from(fresh).fill(1, fresh.length - 4),
    Buffer.alloc(0),
  ]) {
    writeFileSync(`${file}.kd-index`, damaged);
    expect(await words()).toEqual([-6]);
    expect(readFileSync(`${file}.kd-index`).equals(fresh)).toBe(true);
  }
});

it("keeps an index elsewhere, or none where it cannot", async () => {
  const file = write("sub/elsewhere.json", JSON.stringify(records));
  write("indices/.keep", "");
  await (await openSource(file, { indexFolder: at("indices") })).close();
  await (await openSource(file, { indexFolder: at("indices/made/for/it") })).close();
  expect(readdirSync(at("indices/made/for/it"))).toEqual([expect.stringMatching(/^\w{24}\.kd-index$/)]);
  expect(existsSync(`${file}.kd-index`)).toBe(false);
  const source = await openSource(file, { indexFolder: at("indices/.keep") }); // no folder
  expect(source.length).toBe(4);
  await source.close();
});

it("knows data by their content, not by their place", async () => {
  const open = async (file: string): Promise<string> => {
    const source = await openSource(file);
    await source.close();
    return source.fingerprint;
  };
  const file = write("first.json", JSON.stringify(records));
  const fingerprint = await open(file);
  renameSync(file, at("second.json"));
  expect(await open(at("second.json"))).toBe(fingerprint);
  expect(await open(write("third.json", JSON.stringify(records.slice(1))))).not.toBe(fingerprint);
});

it("knows a word that changed in the middle of a large file, the size and the times as they were", async () => {
  const text = (answer: string) =>
    JSON.stringify(Array.from({ length: 3000 }, (_, i) => ({ ...record(i), answer: i === 1500 ? answer : "red" })));
  const file = write("middle.json", text("cat"));
  const fingerprint = async (): Promise<string> => {
    const source = await openSource(file);
    await source.close();
    return source.fingerprint;
  };
  const [before, { atime, mtime }] = [await fingerprint(), statSync(file)];
  expect(await fingerprint()).toBe(before);
  write("middle.json", text("dog"));
  utimesSync(file, atime, mtime);
  expect(await fingerprint()).not.toBe(before);
});

it("names a broken record and leaves the others readable", async () => {
  const source = await openSource(write("broken.jsonl", `{"a":\n${JSON.stringify(record(1))}\n{"id":"\xff"}`), {
    name: "b",
  });
  await expect(source.get(0)).rejects.toMatchObject({
    code: "KD_DATA",
    message: expect.stringMatching(/^b\[0\]: expected JSON, got SyntaxError/),
  });
  expect((await source.get(1)).value).toEqual(record(1));
  await source.close();
  const bytes = Buffer.concat([Buffer.from('{"id":"'), Buffer.of(0xff), Buffer.from('"}')]);
  const latin = await openSource(write("latin.jsonl", bytes), { name: "l" });
  await expect(latin.get(0)).rejects.toThrow(/^l\[0\]: expected UTF-8/);
  await latin.close();
  const long = await openSource(
    write("long.jsonl", `{"a":"${"x".repeat(17 * 1024 ** 2)}"}\n${JSON.stringify(record(1))}`),
    {
      name: "x",
    },
  );
  expect([...long.lengths].map((words) => words !== 0)).toEqual([false, true]);
  await expect(long.get(0)).rejects.toThrow(/^x\[0\]: expected a record of at most 16777216 bytes, got 17825800/);
  expect((await long.get(1)).value).toEqual(record(1));
  await long.close();
  const deep = await openSource(write("deep.jsonl", `{"a":${"[".repeat(100)}${"]".repeat(100)}}`), { name: "d" });
  await expect(deep.get(0)).rejects.toThrow(/^d\[0\]: expected JSON of at most 64 levels/);
  await deep.close();
});

it.each([
  ["empty.json", "", /empty\.json: expected a JSON array or JSON lines, got nothing/],
  ["text.json", "hello", /text\.json: expected a JSON array or JSON lines, got "hello"/],
  [
    "wrapped.json",
    JSON.stringify({ version: 1, data: [record(0)] }),
    /got an object with the array in "data"; write the/,
  ],
  ["indented.json", JSON.stringify({ data: [record(0)] }, null, 2), /got an object over many lines; write the array/],
  ["cut.json", '[{"id": 1}, {', /cut\.json: expected \] at the end/],
  ["cut.json.gz", gzipSync("[]").subarray(0, 12), /cut\.json\.gz: expected a whole file/],
  [
    "bomb.json.gz",
    gzipSync(Buffer.alloc(64 * 1024 ** 2, " ")),
    /bomb\.json\.gz: expected at most 200 times its \d+ bytes/,
  ],
])("refuses %s as a whole", async (name, content, message) => {
  await expect(openSource(write(name, content))).rejects.toMatchObject({
    code: "KD_DATA",
    message: expect.stringMatching(message),
  });
});

it("names a file that is not there", async () => {
  await expect(openSource(at("none.json"))).rejects.toMatchObject({
    code: "KD_DATA",
    message: expect.stringContaining("none.json"),
  });
});
