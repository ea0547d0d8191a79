import { responseRows, type TokenBatch } from "@kd/contract";
import type { FeatureCache, Llava } from "@kd/mllm";
import { argMax, constant, gatherRows, linear, reshape, type Tensor2D, tensor1d, tidy } from "@kd/tensor-core";
import type { BenchmarkRow } from "../data/benchmark.ts";
import { blinded, featureBatch } from "./batch.ts";
import { viewKey } from "./features.ts";
import type { Text } from "./text.ts";

const BATCH = 128;

/** Percent right, by task; `macro` is the mean of name, group, kind, colour and presence (random and adversarial averaged). */
export interface Scores {
  readonly macro: number;
  readonly tasks: Readonly<Record<string, number>>;
}

/** Whether each row's greedy answer is exactly right: the model's first choice at every answer position, given the right ones before it. */
export async function answersRight(options: {
  model: Llava;
  rows: readonly BenchmarkRow[];
  text: Text;
  cache: FeatureCache;
  blind?: boolean;
}): Promise<boolean[]> {
  const { model, rows, text, cache, blind = false } = options;
  const samples = rows.map((row) => text.encode(row));
  const order = [...rows.keys()].sort(
    (a, b) => (samples[a]?.inputIds.length ?? 0) - (samples[b]?.inputIds.length ?? 0),
  );
  const right: boolean[] = rows.map(() => true);
  for (let start = 0; start < order.length; start += BATCH) {
    const chosen = order.slice(start, start + BATCH);
    const keys = chosen.map((i) => viewKey((rows[i] as BenchmarkRow).image, 0));
    const batch = featureBatch(
      chosen.map((i) => samples[i] as (typeof samples)[number]),
      keys,
      cache,
      text.vocabularySize,
    );
    const wrong = await wrongSamples(model, blind ? blinded(batch) : batch);
    for (const sample of wrong) right[chosen[sample] as number] = false;
  }
  return right;
}

async function wrongSamples(model: Llava, batch: TokenBatch): Promise<Set<number>> {
  const rows = responseRows(batch);
  const best = tidy(() => {
    const { hidden } = model.forward(batch);
    const flat = reshape(hidden, [-1, hidden.shape[2]]) as Tensor2D;
    return argMax(linear(gatherRows(flat, tensor1d(rows, "int32")), constant(model.head)), -1);
  });
  const ids = await best.data();
  best.dispose();
  const wrong = new Set<number>();
  for (const [i, row] of rows.entries())
    if (ids[i] !== batch.labels[row + 1]) wrong.add(Math.floor(row / batch.shape[1]));
  return wrong;
}

/** Scores from right and wrong answers. */
export function scoresOf(rows: readonly BenchmarkRow[], right: readonly boolean[]): Scores {
  const counts = new Map<string, [number, number]>();
  for (const [i, { task }] of rows.entries()) {
    const [hits, total] = counts.get(task) ?? [0, 0];
    counts.set(task, [hits + (right[i] ? 1 : 0), total + 1]);
  }
  const tasks = Object.fromEntries([...counts].map(([task, [hits, total]]) => [task, (100 * hits) / total]));
  if (tasks.presence_random !== undefined && tasks.presence_adversarial !== undefined)
    tasks.presence = (tasks.presence_random + tasks.presence_adversarial) / 2;
  const core = ["name", "group", "kind", "colour", "presence"]
    .map((task) => tasks[task])
    .filter((x) => x !== undefined);
  return { macro: core.reduce((sum, x) => sum + x, 0) / core.length, tasks };
}
