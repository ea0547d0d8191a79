import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createTokenizer, stopAt, streamText, type TextTokenizer, textBefore } from "./index.ts";

const folder = join(import.meta.dirname, "../../../goldens/data/text/tokenizer");
const bytes = createTokenizer(JSON.parse(readFileSync(join(folder, "tokenizer.json"), "utf8")));

/** As Llama's: a first space is dropped, bytes make characters, id 0 is nothing. */
const pieces: TextTokenizer = {
  encode: () => expect.fail("not needed"),
  decode: (ids) => {
    const words = ["", "▁the", "▁cat", "s", "\xF0", "\x9F", "\x98", "\x80", "▁"];
    const raw = ids.map((id) => words[id]).join("");
    const text = new TextDecoder().decode(Uint8Array.from([...raw.replaceAll("▁", " ")].map((c) => c.charCodeAt(0))));
    return text.replace(/^ /, "");
  },
};

async function* stepsOf(ids: readonly (number | undefined)[], onStep = (_: number) => {}) {
  for (const [i, id] of ids.entries()) {
    onStep(i);
    yield [undefined, id];
  }
}

async function collect(
  ids: readonly (number | undefined)[],
  options: { tokenizer: TextTokenizer; stopStrings?: string[] },
) {
  const parts: string[] = [];
  for await (const part of streamText(stepsOf(ids), { ...options, row: 1 })) parts.push(part);
  return parts;
}

const text = "Zwei Katzen 🐈‍⬛ und ein Hund: “naïve” 日本語 <|im_end|> done 𝔘𝔫𝔦.";

it("gives whole characters, together the whole text", async () => {
  const ids = bytes.encode(text);
  const parts = await collect(ids, { tokenizer: bytes });
  expect(parts.join("")).toBe(bytes.decode(ids));
  expect(parts.length).toBeGreaterThan(10);
  for (const part of parts) {
    expect(part).not.toBe("");
    expect(part).not.toContain("\uFFFD");
    expect(() => encodeURIComponent(part)).not.toThrow(); // no half of a surrogate pair
  }
});

it("keeps spaces that a tokenizer drops at a text's beginning, and waits for ids without text", async () => {
  expect(await collect([1, 2, 3, 0, 2, 8, 8, 1], { tokenizer: pieces })).toEqual([
    "the",
    " cat",
    "s",
    " cat",
    " ",
    " ",
    " the",
  ]);
  expect(await collect([2, 4, 5, 6, 7, 2], { tokenizer: pieces })).toEqual(["cat", "😀", " cat"]);
});

it("gives a character that stays unfinished at the end", async () => {
  expect(await collect([2, 4, 5], { tokenizer: pieces })).toEqual(["cat", "\uFFFD"]);
  expect(await collect([2, 4, undefined], { tokenizer: pieces })).toEqual(["cat", "\uFFFD"]);
  expect(await collect([], { tokenizer: pieces })).toEqual([]);
  expect(await collect([0, 0], { tokenizer: pieces })).toEqual([]);
});

it.each([
  [["und"], "Zwei Katzen 🐈‍⬛ "],
  [["nope", "Hund: “", "Hund"], "Zwei Katzen 🐈‍⬛ und ein "],
  [["日本語"], "Zwei Katzen 🐈‍⬛ und ein Hund: “naïve” "],
  [["done 𝔘𝔫𝔦!", "𝔫𝔦."], "Zwei Katzen 🐈‍⬛ und ein Hund: “naïve” 日本語 <|im_end|> done 𝔘"],
  [["unseen", ""], text],
])("ends before the first of %j, with nothing of it", async (stopStrings, expected) => {
  const ids = bytes.encode(text);
  const parts = await collect(ids, { tokenizer: bytes, stopStrings });
  expect(parts.join("")).toBe(expected);
  expect(textBefore(bytes.decode(ids), stopStrings)).toBe(expected);
});

it("reads no further than the stop string, and lets go of its source", async () => {
  const ids = bytes.encode("one two stop three");
  let read = 0;
  const steps = stepsOf(ids, (i) => {
    read = i + 1;
  });
  let all = "";
  for await (const part of streamText(steps, { tokenizer: bytes, stopStrings: ["stop"], row: 1 })) all += part;
  expect(all).toBe("one two ");
  expect(bytes.decode(ids.slice(0, read)).endsWith("stop")).toBe(true);
  expect((await steps.next()).done).toBe(true);
});

it("holds back what a stop string may begin with, and gives it when it does not", async () => {
  const ids = bytes.encode("a <b>");
  const parts = await collect(ids, { tokenizer: bytes, stopStrings: ["<c>"] });
  expect(parts.join("")).toBe("a <b>");
  expect(parts.some((part) => part.endsWith("<"))).toBe(false);
});

it("stopAt answers at the id that completes a stop string, and not before", () => {
  const ids = bytes.encode(text);
  const stop = stopAt(bytes, ["日本語", "Hund"]);
  const first = ids.findIndex((_, i) => stop(ids.slice(0, i + 1)));
  expect(bytes.decode(ids.slice(0, first + 1))).toContain("Hund");
  expect(bytes.decode(ids.slice(0, first))).not.toContain("Hund");
  const later = stopAt(bytes, ["日本語"]);
  expect(ids.findIndex((_, i) => later(ids.slice(0, i + 1)))).toBeGreaterThan(first);
});
