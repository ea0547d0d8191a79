import { readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { KdError } from "@kd/contract";
import { parseSafetensors, serializeSafetensors } from "@kd/safetensors";
import fc from "fast-check";
import { parquetWriteBuffer } from "hyparquet-writer";
import sharp from "sharp";
import { expect, it } from "vitest";
import { createTokenizer, encodeConversation, parseConversation, recordLength, templates } from "../src/index.ts";
import { insideFolder, openSource, readImage } from "../src/node/index.ts";
import { mutated } from "./mutations.ts";
import { record, temporaryFolder } from "./temporary-folder.ts";
import { tokenizerJson } from "./tiny-tokenizer.ts";

/** Times the short form's number of cases: `npm run fuzz` sets it. */
const TIMES = Number(process.env.KD_FUZZ_TIMES ?? 1);
const seed = Number(process.env.KD_FUZZ_SEED ?? 20_261_126);
/** Memory beyond the start that no kind may reach. */
const ROOM = 1024 ** 3;

const { write, path, at } = temporaryFolder();

/** Runs one kind: whatever is thrown must be a `KdError`, and memory stays within bounds. */
async function fuzz<T>(
  name: string,
  cases: number,
  input: fc.Arbitrary<T>,
  body: (value: T) => unknown,
): Promise<void> {
  const start = process.memoryUsage.rss();
  let [refused, peak] = [0, start];
  const property = fc.asyncProperty(input, async (value) => {
    try {
      await body(value);
    } catch (error) {
      if (!KdError.is(error)) throw error;
      if (!/^.+: .+/s.test(error.message)) throw new Error(`a message that does not say where: ${error.message}`);
      refused++;
    }
    peak = Math.max(peak, process.memoryUsage.rss());
    if (peak - start > ROOM) throw new Error(`memory grew by ${Math.round((peak - start) / 2 ** 20)} MiB`);
  });
  await fc.assert(property, { numRuns: cases * TIMES, seed, endOnFailure: true });
  if (TIMES > 1)
    console.log(
      `fuzz ${name}: ${cases * TIMES} cases, ${refused} refused, memory +${Math.round((peak - start) / 2 ** 20)} MiB`,
    );
  expect(refused).toBeGreaterThan(0); // else the changes never reach a check
}

async function readAll(file: string): Promise<void> {
  const source = await openSource(file, { name: "fuzzed" });
  let error: unknown;
  try {
    for (let i = 0; i < source.length; i++)
      try {
        const { value, where } = await source.get(i);
        parseConversation(value, where);
      } catch (each) {
        if (!KdError.is(each)) throw each;
        error = each;
      }
  } finally {
    await source.close();
  }
  if (error !== undefined) throw error;
}

const records = Array.from({ length: 6 }, (_, i) =>
  record(i, { ...(i % 2 ? { image: `${i}.png` } : {}), words: i + 1 }),
);
const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(null, "", "<image>", "<eos>", "human", "gpt", "__proto__", "../x", "\0", "\ud800", -0, 1e308, []),
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom("<image>", " ", "\n", "star", "ASSISTANT:", "<|endoftext|>", "é", "\ud83d") }),
);

/** A valid record of which a few values were replaced. */
const nearRecord = fc
  .tuple(fc.constantFrom(...records), fc.array(fc.tuple(fc.nat(), odd), { minLength: 1, maxLength: 3 }))
  .map(([valid, changes]) => {
    const copy: unknown = structuredClone(valid);
    for (const [choice, value] of changes) {
      const places: [object, string][] = [];
      const walk = (node: unknown): void => {
        if (typeof node !== "object" || node === null) return;
        for (const [key, child] of Object.entries(node)) {
          places.push([node, key]);
          walk(child);
        }
      };
      walk(copy);
      const texts = places.filter(([, key]) => key === "value" && typeof value === "string");
      const among = texts.length > 0 ? texts : places; // texts into texts, or hardly a record reaches the encoder
      const [node, key] = among[choice % Math.max(1, among.length)] ?? [{}, ""];
      Object.assign(node, { [key]: value });
    }
    return copy;
  });

it("records", async () => {
  const options = {
    tokenizer: createTokenizer(tokenizerJson),
    template: templates.qwen2_base,
    imageTokenId: 9,
    imageTokens: 2,
  };
  await fuzz("records", 80, fc.oneof(nearRecord, odd), (value) => {
    expect(Number.isInteger(recordLength(value))).toBe(true);
    encodeConversation(parseConversation(value, "fuzzed[0]"), options);
  });
});

const json = Buffer.from(JSON.stringify(records, undefined, 1));
const lines = Buffer.from(records.map((each) => JSON.stringify(each)).join("\n"));
it.each([
  ["json", 40, "f.json", json],
  ["jsonl", 40, "f.jsonl", lines],
  ["gzip", 20, "f.json.gz", gzipSync(json)],
] as const)("%s", async (name, cases, file, valid) => {
  await fuzz(name, cases, mutated(valid), (bytes) => readAll(write(file, bytes)));
});

it("an index beside the data", async () => {
  const file = write("index.json", json);
  await readAll(file);
  const valid = readFileSync(`${file}.kd-index`);
  await fuzz("index", 10, mutated(valid), async (bytes) => {
    write("index.json.kd-index", bytes);
    await readAll(file); // a damaged index is made anew
    throw new KdError("KD_DATA", "index: expected no error");
  });
});

const CODECS = ["SNAPPY", "UNCOMPRESSED", "GZIP", "BROTLI"] as const;
const compressors = {
  GZIP: (bytes: Uint8Array) => gzipSync(bytes),
  BROTLI: (bytes: Uint8Array) => brotliCompressSync(bytes),
};
function parquet(codec: (typeof CODECS)[number]): Uint8Array {
  const element = (name: string, rest: object) => ({ name, repetition_type: "OPTIONAL" as const, ...rest });
  const bytes = { type: "BYTE_ARRAY" as const };
  const text = { ...bytes, converted_type: "UTF8" as const };
  const columnData = [
    {
      name: "image",
      data: records.map((_, i) => (i % 2 ? { bytes: new Uint8Array(40).fill(i), path: `${i}.png` } : null)),
    },
    { name: "conversations", data: records.map((each) => (each as { conversations: unknown }).conversations) },
  ];
  const schema = [
    { name: "root", num_children: 2 },
    element("image", { num_children: 2 }),
    element("bytes", bytes),
    element("path", text),
    element("conversations", { num_children: 1, converted_type: "LIST" }),
    { name: "list", repetition_type: "REPEATED" as const, num_children: 1 },
    element("element", { num_children: 2 }),
    element("from", text),
    element("value", text),
  ];
  return new Uint8Array(parquetWriteBuffer({ columnData, schema, codec, compressors, rowGroupSize: 4 }));
}
it.each(CODECS)("Parquet, %s", async (codec) => {
  await fuzz(`parquet ${codec}`, 30, mutated(parquet(codec)), (bytes) => readAll(write("f.parquet", bytes)));
});

it("safetensors", async () => {
  const tensors = new Map([
    ["a", { dtype: "F32" as const, shape: [2, 3], data: new Uint8Array(24) }],
    ["b", { dtype: "BF16" as const, shape: [4], data: new Uint8Array(8) }],
  ]);
  const valid = serializeSafetensors(tensors, { format: "pt" });
  await fuzz("safetensors", 60, mutated(valid), (bytes) => parseSafetensors(bytes, "fuzzed"));
});

it.each(["png", "jpeg", "webp"] as const)("%s", async (format) => {
  const raw = Uint8Array.from({ length: 40 * 30 * 3 }, (_, i) => (i * 37) % 256);
  const valid = await sharp(raw, { raw: { width: 40, height: 30, channels: 3 } })
    .toFormat(format)
    .toBuffer();
  await fuzz(format, 20, mutated(valid), async (bytes) => {
    const outcome = await readImage(write(`f.${format}`, bytes)).catch((error) => error);
    const own = await readImage(bytes, { name: "fuzzed" });
    if (KdError.is(outcome)) throw outcome;
    expect(own).toEqual(outcome); // also when libvips has seen another file of this name
  });
});

it("paths", async () => {
  write("folder/a.png", "a");
  write("b.png", "b");
  const part = fc.oneof(
    fc.constantFrom("a.png", "..", ".", "", "b.png", "folder", "C:", "\\", "~", "\0", "file:"),
    fc.string({ unit: "binary", maxLength: 6 }),
  );
  const paths = fc
    .array(part, { maxLength: 5 })
    .chain((parts) => fc.constantFrom("/", "\\", "//").map((between) => parts.join(between)));
  await fuzz("paths", 60, paths, async (image) => {
    expect((await insideFolder(at("folder"), image, { where: "fuzzed[0]" })).startsWith(join(path, "folder/"))).toBe(
      true,
    );
  });
});
