import { stat } from "node:fs/promises";
import { KdError } from "@kd/contract";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { BYTES } from "../dtype.ts";
import { quote } from "../fail.ts";
import { isTensor } from "../pytorch/build.ts";
import { fail, SAVE_AGAIN } from "../pytorch/fail.ts";
import { unpickle } from "../pytorch/unpickle.ts";
import { describe, type TorchTensor } from "../pytorch/values.ts";
import { readInto, withFile } from "./file.ts";
import type { LocatedTensor } from "./located.ts";

/** A pickle of 100,000 tensors has 20 MB. */
const MAX_PICKLE = 2 ** 25;

/** One a storage, and a few more. */
const MAX_ENTRIES = 1_000_000;

/** First bytes of `torch.save` before PyTorch 1.6: a pickled magic number. */
const LEGACY = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9];

/** Bytes of one file inside the archive. */
interface Part {
  readonly position: number;
  readonly length: number;
}

/**
 * The tensors of one file written by `torch.save(state_dict)`; only its directory and its pickle are read, and the pickle can build tensors
 * but call nothing.
 */
export async function locatePytorch(path: string): Promise<Map<string, LocatedTensor>> {
  await refuseLegacy(path);
  const broken = (cause: Error): never =>
    fail(path, `expected a file of torch.save (a zip archive), got another: ${cause.message}; is it truncated?`, {
      cause,
    });
  const zip = await openPromise(path, { autoClose: false, lazyEntries: true }).catch(broken);
  try {
    return await locateIn(zip, path);
  } catch (error) {
    if (KdError.is(error)) throw error;
    return broken(error as Error);
  } finally {
    zip.close();
  }
}

function refuseLegacy(path: string): Promise<void> {
  return withFile(path, async (file, size) => {
    const start = new Uint8Array(Math.min(LEGACY.length, size));
    await readInto(file, start, 0, path);
    if (LEGACY.every((byte, i) => start[i] === byte))
      fail(
        path,
        `expected the zip format of PyTorch 1.6 and later, got the older one; load it in Python and ${SAVE_AGAIN}`,
      );
  });
}

async function locateIn(zip: ZipFile, path: string): Promise<Map<string, LocatedTensor>> {
  const entries = await directory(zip);
  const pickle = [...entries.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickle === undefined)
    return fail(path, `expected an archive of torch.save with a data.pkl, got none; ${SAVE_AGAIN}`);
  const root = pickle.slice(0, -"data.pkl".length);
  const { size } = await stat(path);
  const part = async (name: string): Promise<Part> => {
    const entry =
      entries.get(name) ?? fail(path, `expected ${quote(name)} in the archive, got none; is it incomplete?`);
    if (entry.compressionMethod !== 0 || entry.isEncrypted())
      fail(`${path} ${quote(name)}`, `expected bytes as they are, got compressed or encrypted ones; ${SAVE_AGAIN}`);
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    const end = fileDataStart + entry.uncompressedSize;
    if (end > size)
      fail(`${path} ${quote(name)}`, `expected bytes up to ${end}, got a file of ${size}; it is truncated`);
    return { position: fileDataStart, length: entry.uncompressedSize };
  };
  if (entries.has(`${root}byteorder`)) {
    const order = new TextDecoder().decode(await readPart(path, await part(`${root}byteorder`)));
    if (order !== "little") fail(path, `expected little-endian numbers, got ${quote(order)}; ${SAVE_AGAIN}`);
  }
  const value = unpickle(await readPart(path, await part(pickle)), path);
  if (!(value instanceof Map))
    return fail(path, `expected a dictionary of tensors, got ${describe(value)}; ${SAVE_AGAIN}`);
  const storages = new Map<string, Part>();
  const tensors = new Map<string, LocatedTensor>();
  for (const [name, tensor] of value) {
    if (typeof name !== "string" || !isTensor(tensor))
      return fail(
        path,
        `expected a dictionary of tensors, got ${describe(tensor)} for ${describe(name)}; ${SAVE_AGAIN}`,
      );
    const { key } = tensor.storage;
    const storage = storages.get(key) ?? (await part(`${root}data/${key}`));
    storages.set(key, storage);
    tensors.set(name, locateView(tensor, storage, path, name));
  }
  return tensors;
}

async function directory(zip: ZipFile): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  for await (const entry of zip.eachEntry()) {
    entries.set(entry.fileName, entry);
    if (entries.size > MAX_ENTRIES) throw new Error(`more than ${MAX_ENTRIES} entries`);
  }
  return entries;
}

function readPart(path: string, { position, length }: Part): Promise<Uint8Array> {
  if (length > MAX_PICKLE) fail(path, `expected a pickle of at most ${MAX_PICKLE} bytes, got ${length}; ${SAVE_AGAIN}`);
  return withFile(path, async (file) => {
    const bytes = new Uint8Array(length);
    await readInto(file, bytes, position, path);
    return bytes;
  });
}

function locateView(tensor: TorchTensor, storage: Part, path: string, name: string): LocatedTensor {
  const { shape, strides, offset } = tensor;
  const { dtype, count } = tensor.storage;
  const width = BYTES[dtype];
  if (count * width !== storage.length)
    fail(
      `${path} ${quote(name)}`,
      `expected a storage of ${count * width} bytes, got ${storage.length}; is it truncated?`,
    );
  const empty = shape.includes(0);
  let [inOrder, step, last] = [true, 1, 0];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] as number;
    if (size > 1 && strides[axis] !== step) inOrder = false;
    step *= size;
    last += (size - 1) * (strides[axis] as number);
  }
  return {
    dtype,
    shape,
    file: path,
    position: storage.position + offset * width,
    length: empty ? 0 : (last + 1) * width,
    ...(inOrder || empty ? {} : { strides }),
  };
}
