import { responseRows } from "@kd/contract";
import { forwardKl } from "@kd/losses-mdist";
import type { FeatureCache, Llava } from "@kd/mllm";
import { argMax, constant, dispose, gatherRows, linear, reshape, type Tensor2D, tensor1d, tidy } from "@kd/tensor-core";
import type { BenchmarkRow } from "../data/benchmark.ts";
import { featureBatch } from "./batch.ts";
import { viewKey } from "./features.ts";
import type { Text } from "./text.ts";

const COUNT = 128;

interface LogitFactors {
  readonly hidden: Tensor2D;
  readonly head: Tensor2D;
}

/**
 * How near the student is to the teacher on fixed questions about unseen things: the share of answer tokens on which their first choices agree, and
 * the KL between them.
 */
export function agreementWith(options: {
  readonly teacher: Llava;
  readonly student: Llava;
  readonly rows: readonly BenchmarkRow[];
  readonly text: Text;
  readonly cache: FeatureCache;
}): () => Promise<Record<string, number>> {
  const { teacher, student, text, cache } = options;
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
  return async () => {
    const [theirs, ours, kl] = tidy(() => {
      const answers = [teacher, student].map((model) => {
        const { hidden } = model.forward(batch);
        const flat = reshape(hidden, [-1, hidden.shape[2]]) as Tensor2D;
        return { hidden: gatherRows(flat, tensor1d(rows, "int32")) as Tensor2D, head: model.head };
      });
      const [of, by] = answers as [LogitFactors, LogitFactors];
      const first = ({ hidden, head }: LogitFactors) => argMax(linear(hidden, constant(head)), -1);
      return [first(of), first(by), forwardKl({ student: by, teacher: of })] as const;
    });
    const [a, b, [distance = Number.NaN]] = await Promise.all([theirs.data(), ours.data(), kl.data()]);
    const same = Array.from(a).reduce((sum, id, i) => sum + (id === b[i] ? 1 : 0), 0);
    dispose([theirs, ours, kl]);
    return { "eval/agreement": same / a.length, "eval/kl": distance };
  };
}
