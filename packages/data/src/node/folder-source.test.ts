import { expect, it } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { parseConversation } from "../index.ts";
import { openHandle, openSource } from "./index.ts";

const { at, write } = temporaryFolder();
const answers = async (folder: string): Promise<[string, string][]> => {
  const opened = await openSource(at(folder));
  const source = await openHandle(structuredClone(opened.handle));
  const found: [string, string][] = [];
  for (let i = 0; i < source.length; i++) {
    const { value, imageFolder } = await source.get(i);
    const { image, conversations } = value as { image: string; conversations: { value: string }[] };
    expect(imageFolder).toBe(at(folder));
    expect(conversations[0]?.value).toMatch(/^<image>\n/);
    found.push([image, conversations[1]?.value as string]);
  }
  return found;
};

it("reads captions beside pictures, in folders too, by name", async () => {
  for (const name of ["b.jpg", "a.png", "sub/c.webp", "notes.txt"]) write(`beside/${name}`, "");
  for (const name of ["b", "a", "sub/c"]) write(`beside/${name}.txt`, `caption of ${name}\n`);
  expect(await answers("beside")).toEqual([
    ["a.png", "caption of a"],
    ["b.jpg", "caption of b"],
    ["sub/c.webp", "caption of sub/c"],
  ]);
});

it("reads captions.json and metadata.jsonl", async () => {
  write("object/captions.json", JSON.stringify({ "x.jpg": "an x", "y.jpg": "a y" }));
  expect(await answers("object")).toEqual([
    ["x.jpg", "an x"],
    ["y.jpg", "a y"],
  ]);
  write("lines/metadata.jsonl", '{"file_name": "x.jpg", "text": "an x"}\n\n{"file_name": "y.jpg", "text": "a y"}\n');
  expect(await answers("lines")).toEqual([
    ["x.jpg", "an x"],
    ["y.jpg", "a y"],
  ]);
});

it("counts a picture without a caption as bad, and names what is missing", async () => {
  write("missing/captions.json", JSON.stringify({ "x.jpg": null, "y.jpg": "a y" }));
  expect([...(await openSource(at("missing"))).lengths].map(Math.sign)).toEqual([0, 1]);
  for (const name of ["a.png", "a.txt", "b.png"]) write(`beside-missing/${name}`, "a");
  const source = await openSource(at("beside-missing"), { name: "m" });
  expect([...source.lengths].map(Math.sign)).toEqual([1, 0]);
  const { value, where } = await source.get(1);
  expect(() => parseConversation(value, where)).toThrow(/^m\[1\] \(id b\.png\): not a LLaVA record/);
  write("empty/x.jpg", "");
  await expect(openSource(at("empty"))).rejects.toThrow(/expected x\.jpg beside x\.txt, captions\.json/);
  write("llava/data/train.json", "[]");
  await expect(openSource(at("llava"))).rejects.toThrow(/got data\/train\.json; pass that file$/);
  write("list/captions.json", "[]");
  await expect(openSource(at("list"))).rejects.toThrow(/captions\.json: expected \{ "picture\.jpg"/);
  write("unnamed/metadata.jsonl", '{"text": "x"}');
  await expect(openSource(at("unnamed"))).rejects.toThrow(/metadata\.jsonl\[0\]: expected file_name and text/);
});
