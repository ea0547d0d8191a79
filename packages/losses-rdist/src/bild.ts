import { KdError } from "@kd/contract";
import {
  div,
  exp,
  type LogitRows,
  logSoftmax,
  matMul,
  mul,
  reshape,
  type Scalar,
  type StudentRows,
  selectRows,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  tensor,
  tensorOf,
  tidy,
} from "@kd/tensor-core";
import { firstIds } from "./first-ids.ts";
import { largest, pickIds } from "./largest-logits.ts";
import { nothing, rowShare } from "./row-mean.ts";
import { assertSameRows, frozen, rowCount, vocabularyOf } from "./sides.ts";

/** Options of {@link bild}. */
export interface BildOptions {
  /** `[N, V]` logits, or factors `hidden [N, D]`, `head [V, D]`; gets gradients unless constant. */
  readonly student: StudentRows;
  /** The same rows, `[N, V']` or factors of any width; gets no gradient. */
  readonly teacher: LogitRows;
  /** Indices of the rows to read, such as `responseRows(batch)` of `@kd/contract`. @defaultValue every row */
  readonly rows?: Int32Array;
  /** How many of the largest logits are compared in pairs. @defaultValue 8, the paper's */
  readonly k?: number;
  /** Divides the logits; the loss is not multiplied by its square. @defaultValue 3, the paper's */
  readonly temperature?: number;
  /** What the sum over rows is divided by: a whole step's rows. @defaultValue the rows given */
  readonly count?: number;
}

/**
 * BiLD (arXiv 2406.13555), a loss on the ranking of the largest logits: KL between the softmaxes of the teacher's and the student's k(k − 1)/2
 * differences of pairs, at the teacher's k largest ids plus at the student's, mean over rows. Over the common vocabulary. 0 without rows.
 *
 * @throws KdError `KD_SHAPE` when the sides' rows differ; `KD_CONFIG` for a k, temperature or count that cannot be.
 */
export function bild(options: BildOptions): Scalar {
  const { rows, k = 8, temperature = 3, count } = options;
  const common = Math.min(vocabularyOf(options.student), vocabularyOf(options.teacher));
  if (!(Number.isInteger(k) && k >= 2 && k <= common))
    throw new KdError("KD_CONFIG", `bild: k must be whole, from 2 to the ${common} common ids, got ${k}`);
  if (!(temperature > 0)) throw new KdError("KD_CONFIG", `bild: temperature must be above 0, got ${temperature}`);
  if (rows === undefined) assertSameRows("bild", options.student, options.teacher);
  return tidy(() => {
    const read = <T extends StudentRows>(from: T): T =>
      firstIds(rows === undefined ? from : selectRows(from, rows), common);
    const [student, teacher] = [read(options.student), read(frozen(options.teacher))];
    const n = rowCount(student);
    const share = rowShare("bild", n, count);
    if (n === 0) return nothing(tensorOf("hidden" in student ? student.hidden : student));
    const { ids, values } = largest(student, teacher, { k });
    const differences = (picked: Tensor): Tensor =>
      logSoftmax(matMul(reshape(picked, [2 * n, k]), pairs(k, temperature)));
    const [p, q] = [differences(values), differences(pickIds(student, ids))];
    return div(sum(sum(mul(exp(p), sub(p, q)), 1)), share) as Scalar;
  });
}

/** `[k, k(k − 1)/2]`: times logits it gives their differences of pairs, divided by the temperature. */
function pairs(k: number, temperature: number): Tensor2D {
  const columns = Array.from({ length: k }, (_, i) =>
    Array.from({ length: k - 1 - i }, (_, j) => [i, i + 1 + j]),
  ).flat();
  const rows = Array.from({ length: k }, (_, row) =>
    columns.map(([i, j]) => (row === i ? 1 : row === j ? -1 : 0) / temperature),
  );
  return tensor(rows) as Tensor2D;
}
