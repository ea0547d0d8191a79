import { type TokenBatch, visualRows } from "@kd/contract";
import { type RdistOptions, rdist, selfCorrelations } from "@kd/losses-rdist";
import { dispose, type LogitRows, tidy, type VisionLanguageModel } from "@kd/tensor-core";
import { isKept, keptTargets, type TeacherRows, targetsOf } from "./teacher-rows.ts";

/** How a picture's visual tokens relate in one model. */
export interface TokenRelation {
  /** `[N, N]` cosines of the tokens' double-centred logits with each other, from -1 to 1: raw ones are nearly parallel in every model. */
  readonly values: Float32Array;
  /** RDist to the teacher in the same form; 0 for the teacher itself. */
  readonly distance: number;
}

type Form = Pick<RdistOptions, "centre">;
const FORM: Form = { centre: "both" };

/**
 * The Gram matrix that RDist makes alike, of a batch of one sample with one picture, in a student and in its teacher; a teacher's kept rows will do.
 *
 * @throws KdError as `TeacherRows.rows`: for rows that were not kept.
 */
export async function tokenRelation(
  batch: TokenBatch,
  {
    model,
    teacher,
  }: { readonly model: VisionLanguageModel | TeacherRows; readonly teacher: VisionLanguageModel | TeacherRows },
): Promise<TokenRelation> {
  const lengths = batch.imageSpans.map(({ length }) => length);
  const [ours, theirs] = [await seenBy(model, batch), await seenBy(teacher, batch)];
  const [gram, apart] = tidy(() => {
    const from = ours();
    return [
      selfCorrelations({ from, lengths, ...FORM, unitRows: true }),
      rdist({ student: from, teacher: theirs(), lengths, ...FORM }),
    ] as const;
  });
  const [values, [distance = Number.NaN]] = [Float32Array.from(await gram.data()), await apart.data()];
  dispose([gram, apart]);
  return { values, distance };
}

/** Makes the visual rows, in the caller's `tidy`. */
async function seenBy(model: VisionLanguageModel | TeacherRows, batch: TokenBatch): Promise<() => LogitRows> {
  const visual = visualRows(batch);
  if (!isKept(model)) return () => targetsOf(model, batch, { response: new Int32Array(0), visual }).visual;
  const taught = { response: { hidden: new Float32Array(0) }, visual: (await model.rows(batch)).visual };
  const rows = { response: 0, visual: visual.length };
  return () => keptTargets(model.head, taught, { rows, temperature: 1 }).visual;
}
