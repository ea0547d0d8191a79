import { parseJson } from "../bounded-json.ts";

/** A Parquet row as a LLaVA record, and the pictures that came inside it. */
export interface ParquetRecord {
  readonly record: unknown;
  readonly pictures: readonly (readonly [name: string, bytes: Uint8Array])[];
}

/** What `JSON.stringify` can write: Parquet's 64-bit integers are bigints. */
const plain = (value: unknown): unknown =>
  typeof value === "bigint" ? Number(value) : value instanceof Uint8Array ? undefined : value;

/**
 * A row of `id`, `image` or `images` (a path, `{ bytes, path }`, or a list of either) and `conversations` (a list of turns, or their JSON). Pictures of a
 * row have names of their own, since a path inside a Parquet file says nothing of a folder.
 */
export function parquetRecord(row: Record<string, unknown>, where: string): ParquetRecord {
  const pictures: [string, Uint8Array][] = [];
  const given = row.image ?? row.images ?? [];
  const image = (Array.isArray(given) ? given : [given]).flatMap((each: unknown) => {
    if (typeof each === "string") return [each];
    if (each === null || typeof each !== "object") return [];
    const { bytes, path } = (each instanceof Uint8Array ? { bytes: each } : each) as {
      bytes?: unknown;
      path?: unknown;
    };
    if (!(bytes instanceof Uint8Array)) return typeof path === "string" ? [path] : [];
    const name = `#${pictures.length}`;
    pictures.push([name, bytes]);
    return [name];
  });
  const turns = typeof row.conversations === "string" ? parseJson(row.conversations, where) : row.conversations;
  const record: Record<string, unknown> = { conversations: turns };
  if (row.id !== undefined && row.id !== null) record.id = plain(row.id);
  if (image.length > 0) record.image = image.length === 1 ? image[0] : image;
  return { record, pictures };
}
