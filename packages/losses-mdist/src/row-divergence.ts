import {
  type Divergence,
  type LogitRows,
  rowLosses,
  type Scalar,
  type StudentRows,
  selectRows,
  type TopKRows,
  tensor1d,
  tidy,
} from "@kd/tensor-core";
import { pickWeights, rowCount, rowWeight, total } from "./row-count.ts";

/** What every loss on rows of logits is told. */
export interface RowOptions {
  /** `[R, V]` logits, or factors `hidden [R, D]`, `head [V, D]`; gets gradients unless constant. */
  readonly student: StudentRows;
  /** Indices of the rows to read. @defaultValue every row */
  readonly rows?: Int32Array;
  /** A weight of at least 0 for each of the R rows, of which `rows` picks; a row of weight 0 may hold anything. @defaultValue 1 each */
  readonly rowWeights?: ArrayLike<number>;
  /** Of both softmaxes; the loss is multiplied by its square. @defaultValue 1, the paper's */
  readonly temperature?: number;
  /**
   * What the weighted sum over rows is divided by: the rows (or their weights' sum) of a whole step, when this is one micro-batch of it.
   * @defaultValue the rows read, or their weights' sum
   */
  readonly count?: number;
  /** Rows whose logits exist at the same time. @defaultValue as many as 24 MiB hold, 48 to 256 */
  readonly chunkSize?: number;
}

/** Options of the divergences between two models' rows. */
export interface DivergenceOptions extends RowOptions {
  /** `[R, V']` logits or factors of any width; gets no gradient. */
  readonly teacher: LogitRows;
  /** How many ids, from the first on, are read: the vocabulary of both tokenizers ({@link commonVocabulary}). @defaultValue min(V, V') */
  readonly vocabulary?: number;
}

/** The one body of this package's divergences. `teacher` is as many top-k rows as are read, or all rows of logits. */
export function rowDivergence(
  where: string,
  divergence: Divergence,
  options: RowOptions & { readonly teacher: LogitRows | TopKRows; readonly vocabulary?: number },
): Scalar {
  const { student, teacher, rows, rowWeights, count, ...others } = options;
  const weights = rowWeights && pickWeights(where, rowWeights, rowCount(student), rows);
  return tidy(() => {
    const s = rows ? selectRows(student, rows) : student;
    const t = rows && !("ids" in teacher) ? selectRows(teacher, rows) : teacher;
    const used = weights ? total(weights) : rowCount(s);
    const klWeight = rowWeight(where, used, count ?? used);
    const weighted = weights ? { rowWeights: tensor1d(weights) } : {};
    return rowLosses({ ...others, ...weighted, student: s, teacher: t, divergence, klWeight, where }).loss;
  });
}
