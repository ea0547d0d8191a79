import { KdError, type TokenBatch } from "@kd/contract";

/** Says which sample of a micro-batch has no rows, by its ids: records are not known here. */
export function missingRows(
  folder: string,
  { inputIds, attentionMask, shape: [, length] }: TokenBatch,
  sample: number,
): KdError {
  const [from, to] = [sample * length, (sample + 1) * length];
  const ids = inputIds.slice(from, to).filter((_, t) => attentionMask[from + t] === 1);
  const shown = `${ids.slice(0, 12).join(" ")}${ids.length > 12 ? " …" : ""}`;
  return new KdError(
    "KD_DATA",
    `${folder}: no rows of the teacher for sample ${sample} of the micro-batch (${ids.length} tokens: ${shown}); fill them with cacheTeacher from the same data, tokenizer, template, pictures and options`,
  );
}
