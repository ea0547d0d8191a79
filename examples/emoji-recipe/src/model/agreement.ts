import type { FeatureCache, Llava } from "@kd/mllm";
import { createEvaluation } from "@kd/stages";
import type { BenchmarkRow } from "../data/benchmark.ts";
import { featureBatch } from "./batch.ts";
import { viewKey } from "./features.ts";
import type { Text } from "./text.ts";

const COUNT = 64;

/** How near a student is to the teacher on fixed questions about unseen things: on how many answer tokens their first choices agree, and the KL between them. */
export async function agreementWith(options: {
  readonly teacher: Llava;
  readonly rows: readonly BenchmarkRow[];
  readonly text: Text;
  readonly cache: FeatureCache;
}): Promise<(student: Llava) => Promise<Record<string, number>>> {
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
  const measure = await createEvaluation({ batches: [batch], teacher });
  return async (student) => {
    const { agreement = Number.NaN, kl = Number.NaN } = await measure(student);
    return { "eval/agreement": agreement, "eval/kl": kl };
  };
}
