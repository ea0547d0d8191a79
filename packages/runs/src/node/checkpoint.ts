import { createHash } from "node:crypto";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { KdError, type TrainingState } from "@kd/contract";
import { parseSafetensors, serializeSafetensors, toFloat32, type WritableTensor } from "@kd/safetensors";
import { z } from "zod";
import { parseJson, readWhole, syncFolder, writeDurably } from "./files.ts";
import { writing } from "./io-error.ts";

const TENSORS = "tensors.safetensors";
const STATE = "state.json";
const MANIFEST = "manifest.json";

const manifestSchema = z.object({
  format: z.literal(1),
  files: z.record(z.string().regex(/^[\w.-]+$/), z.object({ bytes: z.number(), sha256: z.string() })),
});
const placeSchema = z.object({
  /** Steps of the run, over all stages. */
  step: z.number().int().nonnegative(),
  stage: z.string(),
  stageStep: z.number().int().nonnegative(),
  best: z.object({ score: z.number(), step: z.number() }).optional(),
  /** Engine, matrix product, threads and versions that made it. */
  environment: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
const stateSchema = placeSchema.extend({ training: z.unknown() });

/** What made a checkpoint's numbers: others may give other last bits. */
export type Environment = Readonly<Record<string, string | number | boolean>>;

/** Where in its run a checkpoint was made. */
export interface CheckpointPlace {
  readonly step: number;
  readonly stage: string;
  readonly stageStep: number;
  readonly best?: { readonly score: number; readonly step: number } | undefined;
  readonly environment: Environment;
}

/** A checkpoint that was read and found whole. */
export interface Checkpoint extends CheckpointPlace {
  readonly path: string;
  readonly training: TrainingState;
}

/**
 * Writes a checkpoint as a folder: tensors, state, and a manifest with the size and SHA-256 of both. It is written aside, flushed and renamed,
 * so that under its own name there is a whole checkpoint or none.
 *
 * @throws KdError `KD_IO` for a full disk or a folder that cannot be written; nothing is left behind, and what was there before stays.
 */
export async function writeCheckpoint(
  path: string,
  { training, ...place }: CheckpointPlace & { readonly training: TrainingState },
): Promise<void> {
  const tensors = [...training.tensors].map(([name, { shape, data }]): [string, WritableTensor] => [
    name,
    { dtype: "F32", shape, data },
  ]);
  const files: Readonly<Record<string, Uint8Array>> = {
    [TENSORS]: serializeSafetensors(tensors),
    [STATE]: json({ ...place, training: training.state }),
  };
  const manifest = {
    format: 1,
    files: Object.fromEntries(
      Object.entries(files).map(([name, bytes]) => [name, { bytes: bytes.length, sha256: sha256(bytes) }]),
    ),
  };
  const aside = `${path}.partial`;
  await writing(path, async () => {
    try {
      await rm(aside, { recursive: true, force: true });
      await mkdir(aside, { recursive: true });
      for (const [name, bytes] of Object.entries(files)) await writeDurably(join(aside, name), bytes);
      await writeDurably(join(aside, MANIFEST), json(manifest));
      await syncFolder(aside);
      await rename(aside, path);
    } catch (error) {
      await rm(aside, { recursive: true, force: true }).catch(() => undefined); // the first error is the one to tell
      throw error;
    }
    await syncFolder(dirname(path));
  });
}

/** Reads a checkpoint, every byte checked against its manifest. `KD_IO`, `KD_DATA` or `KD_SAFETENSORS`, naming the file, when it is not whole. */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const read = await readFiles(path, [STATE, TENSORS]);
  const { training, ...place } = parseJson(read(STATE), join(path, STATE), stateSchema);
  const { tensors } = parseSafetensors(read(TENSORS), join(path, TENSORS));
  const plain = [...tensors].map(([name, stored]) => [name, { shape: stored.shape, data: toFloat32(stored) }] as const);
  return { ...place, path, training: { tensors: new Map(plain), state: training } };
}

/** Where a checkpoint was made and by what, without its tensors. */
export async function readCheckpointPlace(path: string): Promise<CheckpointPlace> {
  const read = await readFiles(path, [STATE]);
  return parseJson(read(STATE), join(path, STATE), placeSchema);
}

async function readFiles(path: string, names: readonly string[]): Promise<(name: string) => Uint8Array> {
  const { files } = parseJson(await readWhole(join(path, MANIFEST)), join(path, MANIFEST), manifestSchema);
  const found = new Map<string, Uint8Array>();
  for (const name of names) {
    const wanted = files[name];
    const file = join(path, name);
    const bytes = await readWhole(file);
    const problem =
      wanted === undefined
        ? "expected it in the manifest, got no entry"
        : bytes.length !== wanted.bytes
          ? `expected ${wanted.bytes} bytes, got ${bytes.length}`
          : sha256(bytes) !== wanted.sha256
            ? `expected the SHA-256 of ${MANIFEST}, got another`
            : undefined;
    if (problem !== undefined) throw new KdError("KD_DATA", `${file}: ${problem}: the file is damaged`);
    found.set(name, bytes);
  }
  return (name) => found.get(name) as Uint8Array;
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);

function sha256(bytes: Uint8Array): string {
  const hash = createHash("sha256");
  for (let i = 0; i < bytes.length; i += 2 ** 30) hash.update(bytes.subarray(i, i + 2 ** 30)); // one call takes at most 2 GiB
  return hash.digest("hex");
}
