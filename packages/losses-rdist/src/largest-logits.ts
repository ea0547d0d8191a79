import {
  add,
  concat,
  constant,
  gatherRows,
  linear,
  mul,
  reshape,
  type StudentRows,
  selectRows,
  sum,
  type Tensor,
  type Tensor2D,
  tensor,
  tensorOf,
  tidy,
  withoutGradient,
} from "@kd/tensor-core";
import { rowCount, vocabularyOf } from "./sides.ts";
import { topIds } from "./top-ids.ts";

/** 24 MiB of logits a side exist at a time. */
const LOGITS_AT_ONCE = 6 * 2 ** 20;

/**
 * Ids of the teacher's k largest logits and of the student's, side by side, and the teacher's logits there; `[N, 2k]` both. Nothing of it has a
 * gradient.
 */
export function largest(
  student: StudentRows,
  teacher: StudentRows,
  { k, atOnce = LOGITS_AT_ONCE }: { readonly k: number; readonly atOnce?: number },
): { ids: Tensor; values: Tensor } {
  const n = rowCount(student);
  const size = Math.max(1, Math.floor(atOnce / vocabularyOf(student)));
  const [ids, values] = withoutGradient(() =>
    tidy(() => {
      const chunks = Array.from({ length: Math.ceil(n / size) }, (_, i) =>
        tidy(() => {
          const at = Int32Array.from({ length: Math.min(size, n - i * size) }, (_, j) => i * size + j);
          const [ours, theirs] = [student, teacher].map((side) => logitsOf(size < n ? selectRows(side, at) : side));
          const ids = concat(
            [theirs as Tensor, ours as Tensor].map((logits) => topIds(logits, k)),
            1,
          );
          return [ids, pickIds(constant(theirs as Tensor2D), ids)];
        }),
      ) as [Tensor, Tensor][];
      return ([0, 1] as const).map((i) => concat(chunks.map((chunk) => chunk[i])));
    }),
  ) as [Tensor, Tensor];
  return { ids, values };
}

/** The logits of some ids of every row, `[N, k]` as the ids are; through factors only those are made. */
export function pickIds(rows: StudentRows, ids: Tensor): Tensor {
  const [n, k] = ids.shape as [number, number];
  if ("hidden" in rows) {
    const { hidden, head } = rows;
    const width = tensorOf(head).shape[1];
    const picked = reshape(gatherRows(head, reshape(ids, [n * k])), [n, k, width]);
    return sum(mul(picked, reshape(tensorOf(hidden), [n, 1, width])), 2);
  }
  const vocabulary = vocabularyOf(rows);
  const first = tensor(
    Int32Array.from({ length: n }, (_, i) => i * vocabulary),
    [n, 1],
    "int32",
  );
  const flat = reshape(tensorOf(rows), [n * vocabulary, 1]) as Tensor2D;
  return reshape(gatherRows("constant" in rows ? constant(flat) : flat, add(ids, first)), [n, k]);
}

const logitsOf = (rows: StudentRows): Tensor =>
  "hidden" in rows ? linear(constant(tensorOf(rows.hidden)), constant(tensorOf(rows.head))) : tensorOf(rows);
