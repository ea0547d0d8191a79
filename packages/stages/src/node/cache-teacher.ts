import type { TokenBatch } from "@kd/contract";
import type { StoredTeacherRows } from "./open-teacher-rows.ts";

/** So far. */
export interface TeacherProgress {
  readonly batches: number;
  readonly samples: number;
  /** Of them computed now; the others were there. */
  readonly computed: number;
  /** Entries in the folder. */
  readonly entries: number;
  /** Bytes of theirs. */
  readonly bytes: number;
}

/** Fills the rows of a teacher for batches, a yield a batch; what is there is checked and not computed again, so a filling that was killed goes on. */
export async function* cacheTeacher(
  rows: Pick<StoredTeacherRows, "fill" | "size">,
  batches: AsyncIterable<TokenBatch> | Iterable<TokenBatch>,
): AsyncGenerator<TeacherProgress, void, undefined> {
  let [count, samples, computed] = [0, 0, 0];
  for await (const batch of batches) {
    computed += await rows.fill(batch);
    count++;
    samples += batch.shape[0];
    yield { batches: count, samples, computed, ...rows.size() };
  }
}
