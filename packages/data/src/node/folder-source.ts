import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, extname, join, relative, sep } from "node:path";
import { parseJson } from "../bounded-json.ts";
import { lengthOfBytes } from "./build-index.ts";
import { dataError } from "./data-error.ts";
import { indexBuilder } from "./record-index.ts";
import { MAX_RECORD_BYTES } from "./record-spans.ts";
import { openRecords } from "./records-source.ts";
import type { DiskSource, ImagePlace } from "./source-handle.ts";

/** Endings of picture files. */
const PICTURE = /\.(jpe?g|png|webp|gif|tiff?|avif)$/i;
/** What a picture's caption answers; the `pretrain` template drops it. */
const QUESTION = "<image>\nDescribe the image concisely.";

const tooLarge = (file: string): Error =>
  dataError(file, `expected at most ${MAX_RECORD_BYTES} bytes of text, got more; use JSON lines`);

async function text(file: string, limit: number = MAX_RECORD_BYTES): Promise<string> {
  if ((await stat(file)).size > limit) throw tooLarge(file);
  return (await readFile(file, "utf8")).trim();
}

/**
 * Caption of each picture by its path in the folder, of `captions.json` (`{ "x.jpg": "caption" }`), `metadata.jsonl` (`file_name`, `text`) or `x.txt` beside;
 * null for a picture that lacks its `x.txt`, which is counted as broken.
 */
async function captionsOf(folder: string, source: string): Promise<[picture: string, caption: unknown][]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found
    .filter((each) => each.isFile())
    .map((each) => relative(folder, join(each.parentPath, each.name)).split(sep).join("/"));
  const names = new Set(files);
  const limit = 64 * MAX_RECORD_BYTES;
  if (names.has("captions.json")) {
    const file = join(folder, "captions.json");
    const captions = parseJson(await text(file, limit), file);
    if (typeof captions !== "object" || captions === null || Array.isArray(captions))
      throw dataError(file, 'expected { "picture.jpg": "caption" }; write an object');
    return Object.entries(captions);
  }
  if (names.has("metadata.jsonl")) {
    const file = join(folder, "metadata.jsonl");
    const lines = (await text(file, limit)).split("\n").filter((line) => line.trim() !== "");
    return lines.map((line, i) => {
      const { file_name: picture, text: caption } = (parseJson(line, `${file}[${i}]`) ?? {}) as Record<string, unknown>;
      if (typeof picture !== "string")
        throw dataError(`${file}[${i}]`, "expected file_name and text; correct the line");
      return [picture, caption];
    });
  }
  const captions: [string, unknown][] = [];
  for (const picture of files.filter((name) => PICTURE.test(name)).sort()) {
    const beside = `${picture.slice(0, -extname(picture).length)}.txt`;
    captions.push([picture, names.has(beside) ? await text(join(folder, beside)) : null]);
  }
  if (captions.every(([, caption]) => caption === null)) {
    const other = files.find((name) => /\.(jsonl?(\.gz)?|parquet)$/i.test(name));
    const got =
      other === undefined
        ? "none; add captions"
        : `${other}; pass ${/parquet$/i.test(other) ? "its folder" : "that file"}`;
    throw dataError(source, `expected x.jpg beside x.txt, captions.json, metadata.jsonl or Parquet files, got ${got}`);
  }
  return captions;
}

/** A folder of pictures with captions as a source: one question and the caption a picture. Throws `KD_DATA` when it has none. */
export async function openFolder(folder: string, options: ImagePlace & { name: string }): Promise<DiskSource> {
  const { name, ...place } = options;
  const captions = await captionsOf(folder, name);
  if (captions.length === 0) throw dataError(name, "expected captions, got none; add some");
  const index = indexBuilder();
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [picture, caption] of captions) {
    const turns = [
      { from: "human", value: QUESTION },
      { from: "gpt", value: caption },
    ];
    const bytes = Buffer.from(JSON.stringify({ id: basename(picture), image: picture, conversations: turns }));
    index.add(offset, bytes.length, lengthOfBytes(bytes));
    offset += bytes.length;
    parts.push(bytes);
  }
  const shared = new SharedArrayBuffer(offset);
  const view = new Uint8Array(shared);
  offset = 0;
  const hash = createHash("sha256");
  for (const part of parts) {
    view.set(part, offset);
    offset += part.length;
    hash.update(part);
  }
  const fingerprint = hash.digest("hex");
  return openRecords({ kind: "records", name, fingerprint, text: shared, index: index.done().buffer, ...place });
}
