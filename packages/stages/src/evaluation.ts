import { IGNORE_INDEX, responseRows, type TokenBatch } from "@kd/contract";
import {
  argMax,
  constant,
  dispose,
  gatherRows,
  linear,
  reshape,
  rowLosses,
  type Tensor,
  type Tensor2D,
  tensor1d,
  tensor2d,
  tidy,
  type VisionLanguageModel,
} from "@kd/tensor-core";
import { isKept, type KeptTopK, keptTargets, type TaughtRows, type TeacherRows } from "./teacher-rows.ts";

/** Options of {@link createEvaluation}. */
export interface EvaluationOptions {
  /** The same at every measurement, which is a forward pass of each. */
  readonly batches: readonly TokenBatch[];
  /** Asked once for each batch. @defaultValue none: the loss alone is measured */
  readonly teacher?: VisionLanguageModel | TeacherRows | undefined;
  /** Of both softmaxes of `kl`; kept top-k rows have their own. @defaultValue 1 */
  readonly temperature?: number;
}

/** Means over the response rows of all batches; the last two with a teacher. */
export interface Measured {
  /** Cross-entropy. */
  readonly loss: number;
  /** Share of rows on which student and teacher choose the same id first, from 0 to 1. */
  readonly agreement?: number;
  /** Forward KL from the teacher to the student, times the temperature's square as in training. */
  readonly kl?: number;
}

interface Prepared {
  readonly batch: TokenBatch;
  readonly rows: Int32Array;
  readonly labels: Int32Array;
  readonly taught?: TaughtRows["response"];
  /** The teacher's first choice of each row. */
  readonly first?: ArrayLike<number>;
}

/**
 * Measures on fixed batches how well a student answers and how near it is to its teacher, whose rows are kept as plain arrays: the teacher may go.
 *
 * @throws KdError as `TeacherRows.rows`: for rows that were not kept.
 */
export async function createEvaluation({
  batches,
  teacher,
  temperature = 1,
}: EvaluationOptions): Promise<(student: VisionLanguageModel) => Promise<Measured>> {
  const prepared: Prepared[] = [];
  for (const batch of batches) {
    const rows = responseRows(batch);
    if (rows.length === 0) continue;
    const labels = Int32Array.from(rows, (row) => batch.labels[row + 1] ?? IGNORE_INDEX);
    prepared.push({ batch, rows, labels, ...(teacher && (await teach(teacher, batch, rows))) });
  }
  return async (student) => {
    let [count, loss, kl, same] = [0, 0, 0, 0];
    for (const { batch, rows, labels, taught, first } of prepared) {
      const [ce, distance, ids] = tidy(() => {
        const hidden = hiddenOf(student, batch, rows);
        const sums = rowLosses({
          student: { hidden: constant(hidden), head: constant(student.head) },
          labels: tensor1d(labels, "int32"),
          ...(teacher && taught ? { teacher: targetOf(teacher.head, taught, rows.length), temperature } : {}),
        });
        return [sums.ce, sums.kl, firstOf(hidden, student.head)] as const;
      });
      const [[a = Number.NaN], [b = Number.NaN], chosen] = await Promise.all([ce.data(), distance.data(), ids.data()]);
      if (first !== undefined) for (const [i, id] of chosen.entries()) if (id === first[i]) same++;
      [count, loss, kl] = [count + rows.length, loss + a, kl + b];
      dispose([ce, distance, ids]);
    }
    if (teacher === undefined) return { loss: loss / count };
    return { loss: loss / count, agreement: same / count, kl: kl / count };
  };

  function targetOf(head: Tensor2D, response: TaughtRows["response"], rows: number) {
    const kept = { response, visual: { hidden: new Float32Array(0) } };
    return keptTargets(head, kept, { rows: { response: rows, visual: 0 }, temperature }).response;
  }
}

async function teach(
  teacher: VisionLanguageModel | TeacherRows,
  batch: TokenBatch,
  rows: Int32Array,
): Promise<Pick<Prepared, "taught" | "first">> {
  const taught = isKept(teacher)
    ? (await teacher.rows(batch)).response
    : { hidden: await values(tidy(() => hiddenOf(teacher, batch, rows))) };
  if (!("hidden" in taught)) return { taught, first: likeliest(taught, rows.length) };
  const { head } = teacher;
  const hidden = () => tensor2d(taught.hidden, [rows.length, head.shape[1]]) as Tensor2D;
  return { taught, first: await values(tidy(() => firstOf(hidden(), head))) };
}

function hiddenOf({ forward }: VisionLanguageModel, batch: TokenBatch, rows: Int32Array): Tensor2D {
  const { hidden } = forward(batch);
  return gatherRows(reshape(hidden, [-1, hidden.shape[2]]) as Tensor2D, tensor1d(rows, "int32")) as Tensor2D;
}

/** Over the whole vocabulary of the head. */
const firstOf = (hidden: Tensor2D, head: Tensor2D): Tensor => argMax(linear(hidden, constant(head)), -1);

/** The tensor's values as a copy; frees it. */
async function values(tensor: Tensor): Promise<Float32Array> {
  const data = Float32Array.from(await tensor.data());
  tensor.dispose();
  return data;
}

function likeliest({ ids, logProbs }: KeptTopK, rows: number): ArrayLike<number> {
  const k = ids.length / rows;
  return Int32Array.from({ length: rows }, (_, row) => {
    let best = row * k;
    for (let i = best + 1; i < (row + 1) * k; i++) if ((logProbs[i] as number) > (logProbs[best] as number)) best = i;
    return ids[best] as number;
  });
}
