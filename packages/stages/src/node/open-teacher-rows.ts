import { KdError, type TokenBatch } from "@kd/contract";
import { type PackedArray, packArrays } from "@kd/disk-cache";
import { type DiskCache, openDiskCache } from "@kd/disk-cache/node";
import type { VisionLanguageModel } from "@kd/tensor-core";
import type { TaughtRows, TeacherRows } from "../teacher-rows.ts";
import { computeRows } from "./compute-rows.ts";
import { readHead, writeHead } from "./head-file.ts";
import { missingRows } from "./missing-rows.ts";
import { pickSamples } from "./pick-samples.ts";
import { readRows } from "./read-rows.ts";
import { assertForm, defaultResponse, formNames, type ResponseForm, type RowForm } from "./row-form.ts";
import { keysOf, type SampleKeys, visualKeys } from "./row-keys.ts";

const FORMAT = "rows of a teacher 1";

/** Options of {@link openTeacherRows}. */
export interface TeacherRowsOptions {
  /** Hash of all that decides the teacher's numbers: weights, configuration, processor; `modelHash` of `@kd/mllm` makes one. */
  readonly identity: string;
  /**
   * Computes what is missing; a function is called once something is, so that a whole folder costs no teacher. The head then comes from the
   * folder. @defaultValue none: what is missing is an error
   */
  readonly teacher?: VisionLanguageModel | (() => Promise<VisionLanguageModel>);
  /**
   * How response rows are kept. Top-k rows are small, serve the forward KL at one temperature, and leave the order of all other ids out; k = V
   * leaves out nothing. @defaultValue top 64; hidden states where these are smaller (D < 194)
   */
  readonly response?: ResponseForm;
  /** Of hidden states and log-probabilities. @defaultValue "F16", half the size */
  readonly dtype?: "F16" | "F32";
  /** Of top-k rows' softmax. @defaultValue 1 */
  readonly temperature?: number;
  /** How many ids, from the first on, top-k rows are over: what teacher and student share. @defaultValue all of the teacher's */
  readonly vocabulary?: number;
}

/** A teacher's rows in a folder. */
export interface StoredTeacherRows extends TeacherRows, Pick<DiskCache, "folder" | "notices" | "size"> {
  rows(batch: TokenBatch): Promise<TaughtRows>;
  /** Computes what is missing or damaged for a batch; how many samples that were. */
  fill(batch: TokenBatch): Promise<number>;
  /** Frees the head that was read from the folder. */
  close(): void;
}

/**
 * Opens the rows of a frozen, causal teacher, so that DPT and DFT run without it. A key is made of the teacher's identity, the form, the pictures and
 * the ids up to the rows: another teacher, tokenizer, template or picture has other keys and never gets these rows. What was just computed is read
 * back rounded, so that a first and a second run see the same numbers.
 *
 * @throws KdError `KD_DATA` for a row that is missing without a teacher, or a folder without this teacher's head; `KD_CONFIG` for a form that
 * cannot be; `KD_IO` as `openDiskCache`.
 */
export async function openTeacherRows(folder: string, options: TeacherRowsOptions): Promise<StoredTeacherRows> {
  const { identity, dtype = "F16", temperature = 1 } = options;
  const disk = openDiskCache(folder, { format: FORMAT });
  let teacher = typeof options.teacher === "function" ? undefined : options.teacher;
  const load = async (): Promise<VisionLanguageModel | undefined> => {
    if (teacher !== undefined || typeof options.teacher !== "function") return teacher;
    teacher = await options.teacher();
    return teacher;
  };
  const kept = teacher === undefined ? await readHead(folder, identity) : undefined;
  const head = kept ?? (await load())?.head;
  if (head === undefined)
    throw new KdError(
      "KD_DATA",
      `${folder}: no head of teacher ${identity.slice(0, 12)}…, or a damaged one; fill it with cacheTeacher, or open it with the teacher`,
    );
  if (kept === undefined) await writeHead(folder, identity, head);
  const { vocabulary = head.shape[0] } = options;
  const { response = defaultResponse(head.shape, vocabulary) } = options;
  const form: RowForm = { identity, dtype, response, temperature, vocabulary };
  assertForm(form, head.shape);
  const names = formNames(form);
  const named = (keys: SampleKeys): SampleKeys => ({
    ...keys,
    response: keys.response && `${names.response} ${keys.response}`,
    visual: keys.visual.map((key) => `${names.visual} ${key}`),
  });
  const fillKeys = async (
    batch: TokenBatch,
    keys: readonly SampleKeys[],
    isThere: (key: string) => boolean,
  ): Promise<number> => {
    const missing = [...keys.keys()].filter((i) => wantedOf(keys[i] as SampleKeys).some((key) => !isThere(key)));
    if (missing.length === 0) return 0;
    const model = await load();
    if (model === undefined) throw missingRows(folder, batch, missing[0] as number);
    const picked = pickSamples(batch, missing);
    const computed = await computeRows(model, picked, form);
    const pack = (arrays: readonly PackedArray[]) => packArrays(arrays, folder);
    const entries: (readonly [string, Uint8Array])[] = [];
    let row = 0;
    for (const i of missing) {
      const { response: key, responseRows: count } = keys[i] as SampleKeys;
      if (key !== undefined) entries.push([key, pack(computed.response(row, count))]);
      row += count;
    }
    row = 0;
    for (const [span, key] of visualKeys(
      picked,
      missing.map((i) => keys[i] as SampleKeys),
    )) {
      entries.push([key, pack(computed.visual(row, span.length))]);
      row += span.length;
    }
    disk.add(entries);
    return missing.length;
  };
  const read = (batch: TokenBatch, keys: readonly SampleKeys[]) =>
    readRows({ disk, form, width: head.shape[1] }, batch, keys);
  return {
    folder,
    head,
    notices: disk.notices,
    size: disk.size,
    // Read and checked, not only looked up: a damaged row must be computed again.
    fill: (batch) => fillKeys(batch, keysOf(batch).map(named), (key) => disk.get(key) !== undefined),
    rows: async (batch) => {
      const keys = keysOf(batch).map(named);
      for (;;)
        try {
          return read(batch, keys);
        } catch (error) {
          // What is missing is found as it is read; so is what is damaged, which then is not there any more.
          if (options.teacher === undefined || (await fillKeys(batch, keys, disk.has)) === 0) throw error;
        }
    },
    close: () => {
      disk.close();
      kept?.dispose();
    },
  };
}

const wantedOf = ({ response, visual }: SampleKeys): string[] =>
  response === undefined ? [...visual] : [response, ...visual];
