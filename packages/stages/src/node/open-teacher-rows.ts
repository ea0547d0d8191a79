import { KdError, type TokenBatch } from "@kd/contract";
import { type PackedArray, packArrays, unpackArrays } from "@kd/disk-cache";
import { type DiskCache, openDiskCache } from "@kd/disk-cache/node";
import type { VisionLanguageModel } from "@kd/tensor-core";
import type { TaughtRows, TeacherRows } from "../teacher-rows.ts";
import { computeRows } from "./compute-rows.ts";
import { readHead, writeHead } from "./head-file.ts";
import { pickSamples } from "./pick-samples.ts";
import { assertForm, defaultResponse, expectArrays, formNames, type ResponseForm, type RowForm } from "./row-form.ts";
import { keysOf, type SampleKeys } from "./row-keys.ts";

const FORMAT = "rows of a teacher 1";

/** Options of {@link openTeacherRows}. */
export interface TeacherRowsOptions {
  /** Hash of all that decides the teacher's numbers: weights, configuration, processor; `modelHash` of `@kd/mllm` makes one. */
  readonly identity: string;
  /** Computes what is missing. @defaultValue none: what is missing is an error, and the head comes from the folder */
  readonly teacher?: VisionLanguageModel;
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
  /** Computes what is missing for a batch; how many samples that were. */
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
  const { identity, teacher, dtype = "F16", temperature = 1 } = options;
  const disk = openDiskCache(folder, { format: FORMAT });
  if (teacher !== undefined) await writeHead(folder, identity, teacher.head);
  const head = teacher?.head ?? (await readHead(folder, identity));
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
  const fillKeys = async (batch: TokenBatch, keys: readonly SampleKeys[]): Promise<number> => {
    const missing = [...keys.keys()].filter((i) => wantedOf(keys[i] as SampleKeys).some((key) => !disk.has(key)));
    if (missing.length === 0) return 0;
    if (teacher === undefined) throw missingRows(folder, batch, missing[0] as number);
    const picked = pickSamples(batch, missing);
    const computed = await computeRows(teacher, picked, form);
    const pack = (arrays: readonly PackedArray[]) => packArrays(arrays, folder);
    const entries: (readonly [string, Uint8Array])[] = [];
    let row = 0;
    for (const i of missing) {
      const { response: key, responseRows: count } = keys[i] as SampleKeys;
      if (key !== undefined) entries.push([key, pack(computed.response(row, count))]);
      row += count;
    }
    row = 0;
    for (const [span, key] of visualKeys(picked, missing.map((i) => keys[i] as SampleKeys))) {
      entries.push([key, pack(computed.visual(row, span.length))]);
      row += span.length;
    }
    disk.add(entries);
    return missing.length;
  };
  const arraysOf = (key: string, batch: TokenBatch, sample: number): PackedArray[] => {
    const bytes = disk.get(key);
    if (bytes === undefined) throw missingRows(folder, batch, sample);
    return unpackArrays(bytes, folder);
  };
  const width = head.shape[1];
  const read = (batch: TokenBatch, keys: readonly SampleKeys[]): TaughtRows => {
    const total = keys.reduce((sum, { responseRows }) => sum + responseRows, 0);
    const widths = response === "hidden" ? [width] : [response.topK, response.topK, 1];
    const answers = widths.map((n, i) => (widths.length === 3 && i === 0 ? new Int32Array(total * n) : new Float32Array(total * n)));
    let row = 0;
    for (const [sample, { response: key, responseRows: count }] of keys.entries()) {
      if (key === undefined) continue;
      const arrays = arraysOf(key, batch, sample);
      expectArrays(arrays, widths, count, folder);
      for (const [i, { data }] of arrays.entries()) answers[i]?.set(data, row * (widths[i] as number));
      row += count;
    }
    const visual = new Float32Array(batch.imageSpans.reduce((sum, { length }) => sum + length, 0) * width);
    row = 0;
    for (const [span, key] of visualKeys(batch, keys)) {
      const arrays = arraysOf(key, batch, span.sample);
      expectArrays(arrays, [width], span.length, folder);
      visual.set(arrays[0]?.data as Float32Array, row * width);
      row += span.length;
    }
    const [first, logProbs, tailMass] = answers;
    if (response === "hidden") return { response: { hidden: first as Float32Array }, visual: { hidden: visual } };
    return {
      response: {
        ids: first as Int32Array,
        logProbs: logProbs as Float32Array,
        tailMass: tailMass as Float32Array,
        vocabulary,
        temperature,
      },
      visual: { hidden: visual },
    };
  };
  return {
    folder,
    head,
    notices: disk.notices,
    size: disk.size,
    fill: (batch) => fillKeys(batch, keysOf(batch).map(named)),
    rows: async (batch) => {
      const keys = keysOf(batch).map(named);
      await fillKeys(batch, keys);
      try {
        return read(batch, keys);
      } catch (error) {
        if (teacher === undefined || !KdError.is(error)) throw error;
        await fillKeys(batch, keys); // a damaged entry is found as it is read, and not there any more
        return read(batch, keys);
      }
    },
    close: () => {
      disk.close();
      if (teacher === undefined) head.dispose();
    },
  };
}

const wantedOf = ({ response, visual }: SampleKeys): string[] =>
  response === undefined ? [...visual] : [response, ...visual];

/** Each span of a batch with its key, in the order of its visual rows. */
function visualKeys(
  { imageSpans }: TokenBatch,
  keys: readonly SampleKeys[],
): (readonly [TokenBatch["imageSpans"][number], string])[] {
  const next = new Map<number, number>();
  return imageSpans.map((span) => {
    const place = next.get(span.sample) ?? 0;
    next.set(span.sample, place + 1);
    return [span, keys[span.sample]?.visual[place] as string] as const;
  });
}

function missingRows(folder: string, { inputIds, attentionMask, shape: [, length] }: TokenBatch, sample: number): KdError {
  const [from, to] = [sample * length, (sample + 1) * length];
  const ids = inputIds.slice(from, to).filter((_, t) => attentionMask[from + t] === 1);
  const shown = `${ids.slice(0, 12).join(" ")}${ids.length > 12 ? " …" : ""}`;
  return new KdError(
    "KD_DATA",
    `${folder}: no rows of the teacher for sample ${sample} of the micro-batch (${ids.length} tokens: ${shown}); fill them with cacheTeacher from the same data, tokenizer, template, pictures and options`,
  );
}
