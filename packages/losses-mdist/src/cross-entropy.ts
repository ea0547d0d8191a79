import { KdError } from "@kd/contract";
import { rowLosses, type Scalar, type StudentRows, selectRows, tensor1d, tensorOf, tidy } from "@kd/tensor-core";
import { rowWeight } from "./row-count.ts";

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /** `[R, V]` logits, or factors `hidden [R, D]`, `head [V, D]`; gets gradients unless constant. */
  readonly student: StudentRows;
  /** The id that each row read should predict; a negative one leaves its row out. */
  readonly labels: Int32Array;
  /** Indices of the rows to read, as many as labels. @defaultValue every row */
  readonly rows?: Int32Array;
  /** What the sum is divided by. @defaultValue the labels that are not negative */
  readonly count?: number;
  /** Rows whose logits exist at the same time. @defaultValue as many as 24 MiB hold, 48 to 256 */
  readonly chunkSize?: number;
}

/**
 * Mean over rows of −log q[label]. Labels stand beside the row that predicts them: shifted already. 0 without labels.
 *
 * @throws KdError `KD_SHAPE` naming the argument; `KD_DATA` for a label outside the vocabulary; `KD_CONFIG` for a wrong count or chunk size.
 */
export function crossEntropy({ student, labels, rows, count, chunkSize }: CrossEntropyOptions): Scalar {
  const vocabulary = "hidden" in student ? tensorOf(student.head).shape[0] : tensorOf(student).shape[1];
  const wrong = labels.findIndex((label) => label >= vocabulary);
  if (wrong >= 0)
    throw new KdError(
      "KD_DATA",
      `crossEntropy: label ${labels[wrong]} of row ${wrong} must be below the vocabulary's ${vocabulary}; tokenizer and model differ`,
    );
  const used = labels.reduce((total, label) => total + (label >= 0 ? 1 : 0), 0);
  const ceWeight = rowWeight("crossEntropy", used, count ?? used);
  return tidy(() => {
    const s = rows ? selectRows(student, rows) : student;
    return rowLosses({
      student: s,
      labels: tensor1d(labels, "int32"),
      ceWeight,
      where: "crossEntropy",
      ...(chunkSize === undefined ? {} : { chunkSize }),
    }).loss;
  });
}
