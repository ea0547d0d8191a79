import { type LogitRows, rowLosses, type Scalar, type StudentRows, selectRows, tidy } from "@kd/tensor-core";
import { rowCount, rowWeight } from "./row-count.ts";

/** Options of {@link forwardKl}. */
export interface ForwardKlOptions {
  /** `[R, V]` logits, or factors `hidden [R, D]`, `head [V, D]`; gets gradients unless constant. */
  readonly student: StudentRows;
  /** `[R, V']` logits or factors of any width; gets no gradient. */
  readonly teacher: LogitRows;
  /** Indices of the rows to read. @defaultValue every row */
  readonly rows?: Int32Array;
  /** Of both softmaxes; the loss is multiplied by its square. @defaultValue 1, the paper's */
  readonly temperature?: number;
  /** What the sum over rows is divided by: the rows of a whole step, when this is one micro-batch of it. @defaultValue the rows read */
  readonly count?: number;
  /** Rows whose logits exist at the same time. @defaultValue as many as 32 MiB hold, 64 to 256 */
  readonly chunkSize?: number;
}

/**
 * Mean over rows of KL(p ‖ q), `p` the teacher's and `q` the student's distribution over their common vocabulary: the first min(V, V')
 * ids, cut before the softmax. 0 without rows.
 *
 * @throws KdError `KD_SHAPE` naming the argument; `KD_CONFIG` for a temperature, count or chunk size that is not positive.
 */
export function forwardKl({ student, teacher, rows, temperature = 1, count, chunkSize }: ForwardKlOptions): Scalar {
  return tidy(() => {
    const s = rows ? selectRows(student, rows) : student;
    const t = rows ? selectRows(teacher, rows) : teacher;
    const used = rowCount(s);
    const klWeight = rowWeight("forwardKl", used, count ?? used);
    return rowLosses({
      student: s,
      teacher: t,
      temperature,
      klWeight,
      ...(chunkSize === undefined ? {} : { chunkSize }),
    }).loss;
  });
}
