import { KdError, type TokenBatch } from "@kd/contract";
import { type PackedArray, unpackArrays } from "@kd/disk-cache";
import type { DiskCache } from "@kd/disk-cache/node";
import type { TaughtRows } from "../teacher-rows.ts";
import { missingRows } from "./missing-rows.ts";
import type { RowForm } from "./row-form.ts";
import { type SampleKeys, visualKeys } from "./row-keys.ts";

/** Where rows lie and what they look like. */
interface RowSource {
  readonly disk: DiskCache;
  readonly form: RowForm;
  /** Of the teacher's hidden states. */
  readonly width: number;
}

/** A batch's rows from the disk. `KD_DATA` for a sample whose rows are missing or damaged. */
export function readRows({ disk, form, width }: RowSource, batch: TokenBatch, keys: readonly SampleKeys[]): TaughtRows {
  const { response, vocabulary, temperature } = form;
  const read = (key: string, sample: number, widths: readonly number[], rows: number): PackedArray[] => {
    const bytes = disk.get(key);
    if (bytes === undefined) throw missingRows(disk.folder, batch, sample);
    const arrays = unpackArrays(bytes, disk.folder);
    if (arrays.length !== widths.length || arrays.some(({ data }, i) => data.length !== rows * (widths[i] as number)))
      throw new KdError("KD_DATA", `${disk.folder}: expected entries of ${rows} rows, got others; remove the folder`);
    return arrays;
  };
  const total = keys.reduce((sum, { responseRows }) => sum + responseRows, 0);
  const widths = response === "hidden" ? [width] : [response.topK, response.topK, 1];
  const answers = widths.map((n, i) =>
    response !== "hidden" && i === 0 ? new Int32Array(total * n) : new Float32Array(total * n),
  );
  let row = 0;
  for (const [sample, { response: key, responseRows: count }] of keys.entries()) {
    if (key === undefined) continue;
    for (const [i, { data }] of read(key, sample, widths, count).entries())
      answers[i]?.set(data, row * (widths[i] as number));
    row += count;
  }
  const seen = new Float32Array(batch.imageSpans.reduce((sum, { length }) => sum + length, 0) * width);
  row = 0;
  for (const [span, key] of visualKeys(batch, keys)) {
    const [hidden] = read(key, span.sample, [width], span.length);
    seen.set(hidden?.data as Float32Array, row * width);
    row += span.length;
  }
  const [first, logProbs, tailMass] = answers as [Int32Array | Float32Array, Float32Array, Float32Array];
  const visual = { hidden: seen };
  if (response === "hidden") return { response: { hidden: first as Float32Array }, visual };
  return { response: { ids: first as Int32Array, logProbs, tailMass, vocabulary, temperature }, visual };
}
