import { KdError } from "@kd/contract";
import {
  constant,
  div,
  type LogitRows,
  mul,
  type Scalar,
  type StudentRows,
  scalar,
  sum,
  type Tensor1D,
  tidy,
} from "@kd/tensor-core";
import { firstIds, vocabularyOf } from "./first-ids.ts";
import { gramDistances } from "./gram-distance.ts";
import { oneOf, type RelationForm, rowCount, selfCorrelations } from "./self-correlations.ts";

/** Which relation {@link rdist} distils, as data: a stage's preset can hold it. */
export interface RdistForm extends RelationForm {
  /**
   * `per-span`: the mean of every span's distance, the paper's. `whole-batch`: one distance of all spans' Gram matrices as one vector, the
   * authors' release.
   * @defaultValue "per-span"
   */
  readonly flavour?: "per-span" | "whole-batch";
}

/** Options of {@link rdist}. */
export interface RdistOptions extends RdistForm {
  /** Visual rows, span after span: `[N, V]` logits, or factors `hidden [N, D]`, `head [V, D]`; gets gradients unless constant. */
  readonly student: StudentRows;
  /**
   * The same rows, `[N, V']` logits or factors of any width; gets no gradient. Or what {@link selfCorrelations} made of them in the same form,
   * `[Σ n²]`: the student's whole vocabulary is read then.
   */
  readonly teacher: LogitRows | { readonly grams: Tensor1D };
  /** Rows of each span; they add up to N. */
  readonly lengths: readonly number[];
  /** Indices of the rows to read, such as `visualRows(batch)` of `@kd/contract`. @defaultValue every row */
  readonly rows?: Int32Array;
  /**
   * What the distances are divided by when this is one micro-batch of a step: the step's spans (`per-span`) or its micro-batches with
   * images (`whole-batch`). @defaultValue the spans given, or 1
   */
  readonly count?: number;
}

/**
 * Relation distillation: 1 − cosine of the student's and the teacher's Gram matrix Z·Zᵀ of a span's visual tokens, between 0 and 1. 0 without
 * spans. `centre: "tokens"` makes it 1 − linear CKA (arXiv 1905.00414).
 *
 * @throws KdError `KD_SHAPE` when lengths and rows, or the two sides' rows, disagree; `KD_CONFIG` for a count or form that cannot be.
 */
export function rdist(options: RdistOptions): Scalar {
  const { teacher, lengths, rows, flavour = "per-span", count, ...form } = options;
  oneOf("flavour", flavour, ["per-span", "whole-batch"]);
  const spans = lengths.filter((n) => n > 0).length;
  const share = count ?? (flavour === "per-span" ? spans : 1);
  if (!(share >= 0) || (share === 0 && spans > 0))
    throw new KdError(
      "KD_CONFIG",
      `rdist: count must be above 0 for ${spans} spans, got ${share}; leave it out for a plain mean`,
    );
  return tidy(() => {
    const cut = !("grams" in teacher) && (form.over ?? "common-vocabulary") === "common-vocabulary";
    const common = cut ? Math.min(vocabularyOf(form.student), vocabularyOf(teacher)) : 0;
    const read = (from: StudentRows): Tensor1D =>
      selfCorrelations({ ...form, ...(rows ? { rows } : {}), lengths, from: cut ? firstIds(from, common) : from });
    if (!("grams" in teacher) && rows === undefined) assertSameTokens(form.student, teacher);
    const ours = read(form.student);
    const theirs = "grams" in teacher ? teacher.grams : read(frozen(teacher));
    if (theirs.size !== ours.size)
      throw new KdError(
        "KD_SHAPE",
        `rdist: teacher.grams must be [${ours.size}], n² of every span, got [${theirs.shape.join(", ")}]; make it of the same spans`,
      );
    if (spans === 0) return mul(scalar(0), sum(ours)) as Scalar; // still a function of the student: its gradient is 0, not missing
    const distances = gramDistances(ours, theirs, { lengths, together: flavour === "whole-batch" });
    return div(sum(distances), share) as Scalar;
  });
}

const frozen = (rows: LogitRows): StudentRows =>
  "hidden" in rows ? { hidden: constant(rows.hidden), head: constant(rows.head) } : constant(rows);

function assertSameTokens(student: StudentRows, teacher: LogitRows): void {
  const [ours, theirs] = [rowCount(student), rowCount(teacher)];
  if (ours !== theirs)
    throw new KdError(
      "KD_SHAPE",
      `rdist: student and teacher must have the same number of visual tokens, got ${ours} and ${theirs}; let both see a picture in the same patches`,
    );
}
