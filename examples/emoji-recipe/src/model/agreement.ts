import { responseRows } from "@kd/contract";
import { forwardKl } from "@kd/losses-mdist";
import type { FeatureCache, Llava } from "@kd/mllm";
import {
  argMax,
  constant,
  gatherRows,
  linear,
  reshape,
  type Tensor,
  type Tensor2D,
  tensor1d,
  tidy,
} from "@kd/tensor-core";
import type { BenchmarkRow } from "../data/benchmark.ts";
import { featureBatch } from "./batch.ts";
import { viewKey } from "./features.ts";
import type { Text } from "./text.ts";

const COUNT = 64;

interface LogitFactors {
  readonly hidden: Tensor2D;
  readonly head: Tensor2D;
}

/**
 * How near a student is to the teacher on fixed questions about unseen things: the share of answer tokens on which their first choices agree, and
 * the KL between them. The teacher answers once; its rows stay as long as the process does.
 */
export function agreementWith(options: {
  readonly teacher: Llava;
  readonly rows: readonly BenchmarkRow[];
  readonly text: Text;
  readonly cache: FeatureCache;
}): (student: Llava) => Promise<Record<string, number>> {
  const { teacher, text, cache } = options;
  const unseen = options.rows.filter(({ cell }) => cell === "val_concept");
  const count = Math.min(COUNT, unseen.length);
  const chosen = Array.from(
    { length: count },
    (_, i) => unseen[Math.floor((i * unseen.length) / count)] as BenchmarkRow,
  );
  const batch = featureBatch(
    chosen.map((row) => text.encode(row)),
    chosen.map(({ image }) => viewKey(image, 0)),
    cache,
    text.vocabularySize,
  );
  const rows = responseRows(batch);
  const answersOf = (model: Llava): LogitFactors => {
    const { hidden } = model.forward(batch);
    const flat = reshape(hidden, [-1, hidden.shape[2]]) as Tensor2D;
    return { hidden: gatherRows(flat, tensor1d(rows, "int32")) as Tensor2D, head: model.head };
  };
  const firstOf = ({ hidden, head }: LogitFactors) => argMax(linear(hidden, constant(head)), -1);
  const theirs: LogitFactors = { hidden: tidy(() => answersOf(teacher).hidden), head: teacher.head };
  const theirFirst = idsOf(tidy(() => firstOf(theirs)));
  return async (student) => {
    const [first, kl] = tidy(() => {
      const ours = answersOf(student);
      return [firstOf(ours), forwardKl({ student: ours, teacher: theirs })] as const;
    });
    const [wanted, ids, [distance = Number.NaN]] = await Promise.all([theirFirst, idsOf(first), kl.data()]);
    const same = ids.filter((id, i) => id === wanted[i]).length;
    kl.dispose();
    return { "eval/agreement": same / ids.length, "eval/kl": distance };
  };
}

/** The values as a copy; frees the tensor. */
async function idsOf(tensor: Tensor): Promise<number[]> {
  const ids = Array.from(await tensor.data());
  tensor.dispose();
  return ids;
}
