import { responseRows, type TokenBatch, visualRows } from "@kd/contract";
import type { PackedArray } from "@kd/disk-cache";
import { type Tensor2D, tidy, topKRows, type VisionLanguageModel } from "@kd/tensor-core";
import { targetsOf } from "../teacher-rows.ts";
import type { RowForm } from "./row-form.ts";

/** Runs of a batch's response and visual rows, in their order, packed alike: `part(from, count)`. */
export interface ComputedRows {
  readonly response: (from: number, count: number) => PackedArray[];
  readonly visual: (from: number, count: number) => PackedArray[];
}

/** One forward pass of the teacher. */
export async function computeRows(
  teacher: VisionLanguageModel,
  batch: TokenBatch,
  { dtype, response: form, temperature, vocabulary }: RowForm,
): Promise<ComputedRows> {
  const { head } = teacher;
  const rows = { response: responseRows(batch), visual: visualRows(batch) };
  const [seen, ...answers] = tidy(() => {
    const targets = targetsOf(teacher, batch, rows) as { response: { hidden: Tensor2D }; visual: { hidden: Tensor2D } };
    const { hidden } = targets.response;
    if (form === "hidden") return [targets.visual.hidden, hidden];
    const { ids, logProbs, tailMass } = topKRows({ hidden, head }, form.topK, { temperature, vocabulary });
    return [targets.visual.hidden, ids, logProbs, tailMass];
  });
  // Copies, one after another: an engine may give its own memory.
  const read = async (tensor: (typeof answers)[number] | undefined) => {
    const data = (await tensor?.data())?.slice() ?? new Float32Array();
    tensor?.dispose();
    return data;
  };
  const visual = (await read(seen)) as Float32Array;
  const [first, second, third] = [await read(answers[0]), await read(answers[1]), await read(answers[2])];
  const width = head.shape[1];
  const floats = (data: Float32Array, width: number, type: "F16" | "F32") => (from: number, count: number) =>
    ({ dtype: type, shape: [count, width], data: data.subarray(from * width, (from + count) * width) }) as const;
  if (form === "hidden") {
    const hidden = floats(first as Float32Array, width, dtype);
    return { response: (...part) => [hidden(...part)], visual: (...part) => [floats(visual, width, dtype)(...part)] };
  }
  const k = form.topK;
  const logProbs = floats(second as Float32Array, k, dtype);
  const tailMass = floats(third as Float32Array, 1, "F32"); // may be far below what F16 holds
  return {
    response: (from, count) => [
      { dtype: "I32", shape: [count, k], data: (first as Int32Array).subarray(from * k, (from + count) * k) },
      logProbs(from, count),
      tailMass(from, count),
    ],
    visual: (...part) => [floats(visual, width, dtype)(...part)],
  };
}
