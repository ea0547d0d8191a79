import { open } from "node:fs/promises";
import { asDataError, dataError } from "./data-error.ts";
import type { PackedLine } from "./packed-record.ts";
import { type ParquetRecord, parquetRecord } from "./parquet-record.ts";
import { parquetRows } from "./parquet-rows.ts";
import { MAX_RECORD_BYTES } from "./record-spans.ts";

function lineOf({ record, pictures }: ParquetRecord, where: string): Buffer {
  const line: PackedLine = { record, pictures: pictures.map(([name, bytes]) => [name, bytes.length]) };
  const text = Buffer.from(
    `${JSON.stringify(line, (_, value) => (typeof value === "bigint" ? Number(value) : value))}\n`,
  );
  if (text.length > MAX_RECORD_BYTES)
    throw dataError(where, `expected a record of at most ${MAX_RECORD_BYTES} bytes, got ${text.length}; shorten it`);
  return text;
}

/**
 * Writes the rows of a Parquet file one after another, where each can be read alone: a row group decoded for one record would cost a thousand times as
 * much. Throws `KD_DATA`.
 */
export async function unpackParquet(path: string, aside: string, { name }: { name: string }): Promise<void> {
  const from = await open(path, "r");
  const to = await open(aside, "wx").catch(async (error) => {
    await from.close();
    throw error;
  });
  try {
    let row = 0;
    for await (const values of rowsOf()) {
      const where = `${name}[${row++}]`;
      let packed: ParquetRecord;
      let line: Buffer;
      try {
        packed = parquetRecord(values, where);
        line = lineOf(packed, where);
      } catch {
        packed = { record: null, pictures: [] }; // counted as broken, like any record that is none
        line = lineOf(packed, where);
      }
      await to.writev([line, ...packed.pictures.map(([, bytes]) => bytes)]);
    }
    await to.sync();
  } finally {
    await Promise.all([from.close(), to.close()]);
  }
  async function* rowsOf(): AsyncGenerator<Record<string, unknown>> {
    try {
      yield* parquetRows(from);
    } catch (error) {
      throw asDataError(error, name, "expected a Parquet file that can be read, got %s; write it again");
    }
  }
}
