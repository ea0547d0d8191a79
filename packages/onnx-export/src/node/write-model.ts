import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import type { OnnxGraph } from "../graph.ts";
import { onnxFile, type Place } from "../onnx-file.ts";
import { type Piece, sizeOf } from "../wire.ts";

/** Protobuf reads no message beyond it. */
export const LARGEST_FILE: number = 2 ** 31 - 1;

/** Small tensors stay in the model: shapes and axes must. */
const INLINE = 1024;
/** External tensors begin at pages, so that a runtime may map them. */
const PAGE = 4096;
/** Small pieces are gathered to writes of this size; a write moves at most 2 GiB. */
const BLOCK = 2 ** 20;
const LARGEST_WRITE = 2 ** 30;

/**
 * Writes a model; above `largestFile` bytes its tensors go to `<path>_data`, `<path>_data_1`, …, the names that transformers.js looks for.
 * The model's own file comes first in the answer.
 */
export async function writeModel(
  path: string,
  graph: OnnxGraph,
  { largestFile }: { readonly largestFile: number },
): Promise<{ path: string; bytes: number }[]> {
  const whole = onnxFile(graph);
  if (sizeOf(whole) <= largestFile) return [await writePieces(path, whole)];
  const files: Piece[][] = [];
  const places = new Map<string, Place>();
  const nameOf = (index: number) => `${path}_data${index === 0 ? "" : `_${index}`}`;
  for (const { name, data } of graph.initializers.values()) {
    if (data.byteLength < INLINE) continue;
    const last = files.at(-1);
    if (last === undefined || sizeOf(last) + PAGE + data.byteLength > largestFile) files.push([]);
    const pieces = files.at(-1) as Piece[];
    const end = sizeOf(pieces);
    const padding = (PAGE - (end % PAGE)) % PAGE;
    pieces.push(new Uint8Array(padding), data);
    places.set(name, { file: basename(nameOf(files.length - 1)), offset: end + padding });
  }
  const written = [await writePieces(path, onnxFile(graph, places))];
  for (const [index, pieces] of files.entries()) written.push(await writePieces(nameOf(index), pieces));
  return written;
}

async function writePieces(path: string, pieces: readonly Piece[]): Promise<{ path: string; bytes: number }> {
  const file = await open(path, "wx");
  try {
    let gathered: Uint8Array[] = [];
    let size = 0;
    const flush = async () => {
      await writeAll(file, Buffer.concat(gathered));
      [gathered, size] = [[], 0];
    };
    for (const piece of pieces) {
      if (size + piece.byteLength > BLOCK) await flush();
      const bytes = piece instanceof Uint8Array ? piece : await piece.read();
      if (bytes.length > BLOCK) await writeAll(file, bytes);
      else {
        gathered.push(bytes);
        size += bytes.length;
      }
    }
    await flush();
    await file.sync();
  } finally {
    await file.close();
  }
  return { path, bytes: sizeOf(pieces) };
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(LARGEST_WRITE, bytes.length - at));
    at += bytesWritten;
  }
}
