import type { FileHandle } from "node:fs/promises";
import {
  type ColumnMetaData,
  type FileMetaData,
  parquetMetadata,
  parquetReadObjects,
  parquetSchema,
  type SchemaTree,
} from "hyparquet";
import { boundedCodecs } from "./parquet-codecs.ts";
import { checkChunk } from "./parquet-guard.ts";

/** Larger footers are refused. */
const MAX_FOOTER_BYTES = 64 * 1024 ** 2;
/** Larger row groups are refused, since one is in memory at a time. */
const MAX_GROUP_BYTES = 2 * 1024 ** 3;
/** Columns of a LLaVA data set. */
const COLUMNS: readonly string[] = ["id", "image", "images", "conversations"];
const TYPES: ReadonlySet<string | undefined> = new Set([
  undefined,
  "STRING",
  "UTF8",
  "LIST",
  "ENUM",
  "JSON",
  "NULL",
  "INTEGER",
]);

async function footer(file: FileHandle, size: number): Promise<FileMetaData> {
  const tail = new Uint8Array(8);
  const { bytesRead } = await file.read(tail, 0, 8, Math.max(0, size - 8));
  const bytes = new DataView(tail.buffer).getUint32(0, true) + 8;
  if (bytesRead < 8 || bytes > Math.min(size, MAX_FOOTER_BYTES))
    throw new RangeError(`a footer of ${bytes} bytes in a file of ${size}`);
  const all = new Uint8Array(bytes);
  await file.read(all, 0, bytes, size - bytes);
  return parquetMetadata(all, { geoparquet: false });
}

function leafPath(tree: SchemaTree, names: readonly string[]): SchemaTree[] {
  const path = [tree];
  for (const name of names) {
    const child = path.at(-1)?.children.find(({ element }) => element.name === name);
    if (child === undefined) throw new RangeError(`a column ${names.join(".").slice(0, 80)} that the schema lacks`);
    path.push(child);
  }
  for (const { element } of path.slice(1)) {
    const { logical_type, converted_type, name } = element;
    const integer = converted_type?.startsWith("INT_") || converted_type?.startsWith("UINT_");
    if (!TYPES.has(logical_type?.type) || !(TYPES.has(converted_type) || integer))
      throw new RangeError(
        `column ${name} of type ${logical_type?.type ?? converted_type}; write text, lists and bytes`,
      );
  }
  if (path.length > 12) throw new RangeError("columns nested too deep");
  return path;
}

/**
 * Rows of a Parquet file, one row group in memory at a time, columns `id`, `image` or `images`, `conversations` only. Every page is checked before it is
 * decoded. Throws whatever is wrong with the file, not necessarily a `KdError`.
 */
export async function* parquetRows(file: FileHandle): AsyncGenerator<Record<string, unknown>> {
  const { size } = await file.stat();
  const metadata = await footer(file, size);
  const tree = parquetSchema(metadata);
  const columns = tree.children.map(({ element }) => element.name).filter((name) => COLUMNS.includes(name));
  if (!columns.includes("conversations"))
    throw new RangeError(
      `columns ${tree.children
        .map(({ element }) => element.name)
        .join(", ")
        .slice(0, 200)}, not conversations`,
    );
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    if (!(rows >= 0 && rows <= 4_000_000)) throw new RangeError(`a row group of ${rows} rows; write smaller ones`);
    const chunks: { start: number; bytes: Uint8Array }[] = [];
    let total = 0;
    for (const { meta_data: column } of group.columns) {
      if (column === undefined || !columns.includes(column.path_in_schema[0] ?? "")) continue;
      const chunk = await readChunk(file, column, size);
      total += chunk.bytes.length;
      if (total > MAX_GROUP_BYTES) throw new RangeError("a row group of more than 2 GiB; write smaller ones");
      checkChunk(chunk.bytes, column, leafPath(tree, column.path_in_schema));
      chunks.push(chunk);
    }
    const slice = (start: number, end: number = size): ArrayBuffer => {
      const out = new Uint8Array(end - start); // may span chunks, and columns that nobody reads between them
      for (const { start: at, bytes } of chunks) {
        const [from, to] = [Math.max(start, at), Math.min(end, at + bytes.length)];
        if (from < to) out.set(bytes.subarray(from - at, to - at), from - start);
      }
      return out.buffer;
    };
    const one: FileMetaData = { ...metadata, row_groups: [group], num_rows: group.num_rows };
    yield* await parquetReadObjects({
      file: { byteLength: size, slice },
      metadata: one,
      columns,
      compressors: boundedCodecs,
      utf8: false,
      geoparquet: false,
    });
  }
}

async function readChunk(
  file: FileHandle,
  column: ColumnMetaData,
  size: number,
): Promise<{ start: number; bytes: Uint8Array }> {
  const start = Number(column.dictionary_page_offset || column.data_page_offset);
  const length = Number(column.total_compressed_size);
  if (!(start >= 0 && length >= 0 && start + length <= size && length <= MAX_GROUP_BYTES))
    throw new RangeError(
      `column ${column.path_in_schema.join(".").slice(0, 80)} at ${start}, ${length} bytes, in a file of ${size}`,
    );
  const bytes = new Uint8Array(length);
  await file.read(bytes, 0, length, start);
  return { start, bytes };
}
