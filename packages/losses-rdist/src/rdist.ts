import { KdError } from "@kd/contract";
import {
  div,
  type LogitRows,
  type Scalar,
  type StudentRows,
  sum,
  type Tensor1D,
  tidy,
  withoutGradient,
} from "@kd/tensor-core";
import { firstIds } from "./first-ids.ts";
import { gramDistances } from "./gram-distance.ts";
import { nothing } from "./row-mean.ts";
import { oneOf, type RelationForm, selfCorrelations } from "./self-correlations.ts";
import { assertSameRows, frozen, rowCount, vocabularyOf } from "./sides.ts";
import { assertLengths } from "./span-runs.ts";

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
  oneOf("rdist", "flavour", flavour, ["per-span", "whole-batch"]);
  const spans = lengths.filter((n) => n > 0).length;
  const share = count ?? (flavour === "per-span" ? spans : 1);
  if (!(share >= 0) || (share === 0 && spans > 0))
    throw new KdError(
      "KD_CONFIG",
      `rdist: count must be above 0 for ${spans} spans, got ${share}; leave it out for a plain mean`,
    );
  assertLengths("rdist", lengths, rows?.length ?? rowCount(form.student));
  return tidy(() => {
    const cut = !("grams" in teacher) && (form.over ?? "common-vocabulary") === "common-vocabulary";
    const common = cut ? Math.min(vocabularyOf(form.student), vocabularyOf(teacher)) : 0;
    const read = (from: StudentRows): Tensor1D =>
      selfCorrelations({ ...form, ...(rows ? { rows } : {}), lengths, from: cut ? firstIds(from, common) : from });
    if (!("grams" in teacher) && rows === undefined) assertSameRows("rdist", form.student, teacher);
    const ours = read(form.student);
    const theirs = "grams" in teacher ? teacher.grams : withoutGradient(() => read(frozen(teacher)));
    if (theirs.size !== ours.size)
      throw new KdError(
        "KD_SHAPE",
        `rdist: teacher.grams must be [${ours.size}], n² of every span, got [${theirs.shape.join(", ")}]; make it of the same spans`,
      );
    if (spans === 0) return nothing(ours);
    const distances = gramDistances(ours, theirs, { lengths, together: flavour === "whole-batch" });
    return div(sum(distances), share) as Scalar;
  });
}
