import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { TokenBatch } from "@kd/contract";
import type { FeatureCache, Llava } from "@kd/mllm";
import { checkpointSteps, type RunOptions, type RunStage, readRunConfig } from "@kd/runs/node";
import {
  type DistillWeights,
  presets,
  restoreWeights,
  resumable,
  type StageRecord,
  type TeacherRows,
  trainableNames,
  trainStage,
} from "@kd/stages";
import { createRng, type VisionLanguageModel } from "@kd/tensor-core";
import type { EmojiRecord } from "../data/records.ts";
import { followRun } from "../train/follow-run.ts";
import { featureBatch, withFeatureNoise } from "./batch.ts";
import { viewKey } from "./features.ts";
import { createSampler } from "./sampler.ts";
import type { Text } from "./text.ts";

/** Records a step; the paper's 256 and 128 are for half a million pictures. */
const BATCH_SIZE = 64;
/** AdamW as in the PyTorch study this recipe follows; the paper's rates move nothing at this size. */
const OPTIMISER = { weightDecay: 0.05, betas: [0.9, 0.98] as const, warmupRatio: 0.03, updateNorm: true };

interface EmojiStage {
  /** What the progress line calls it. */
  readonly name: string;
  readonly stage: StageRecord;
  readonly teacher?: VisionLanguageModel | TeacherRows;
  /** @defaultValue the paper's */
  readonly weights?: DistillWeights | undefined;
  readonly records: readonly EmojiRecord[];
  readonly totalSteps: number;
  readonly learningRate: number;
  readonly seed: number;
  /** Deviation of the noise on features. @defaultValue 0 */
  readonly noise?: number;
}

export interface EmojiRun {
  readonly folder: string;
  readonly student: Llava;
  readonly stages: readonly EmojiStage[];
  readonly text: Text;
  readonly cache: FeatureCache;
  /** Views of an image to choose from, the plain one among them. */
  readonly views: (image: string) => number;
  /** Numbers about the student as it trains. @defaultValue none */
  readonly evaluate?: RunOptions["evaluate"];
  /** Stage to begin again with. @defaultValue none */
  readonly from?: string | undefined;
}

/** Stages on emoji records one after another, resumable; what a run beside this one has trained in the same way is taken from it. */
export async function trainEmojiRun(run: EmojiRun): Promise<void> {
  const { folder, student, stages, cache, evaluate, from } = run;
  const config = { tower: cache.tower, stages: stages.map(settingsOf) };
  const fork = await sharedBeginning(folder, config);
  await followRun({
    folder,
    config,
    stages: stages.map((stage, i) => runStage(run, stage, stages.slice(0, i + 1))),
    handOver: (saved) => restoreWeights(saved, student.params),
    from: from !== undefined && stages.some(({ name }) => name === from) ? from : undefined,
    ...(evaluate === undefined ? {} : { evaluate }),
    ...(fork === undefined ? {} : { fork }),
  });
}

/** All that decides what a stage does to the weights that it is given. */
function settingsOf(settings: EmojiStage): object {
  const { name, stage, teacher, weights, records, totalSteps, learningRate, seed, noise = 0 } = settings;
  const kept = teacher !== undefined && !("forward" in teacher) ? { keptTeacher: true } : {}; // its numbers are rounded
  const distills = { ...kept, ...(weights === undefined ? {} : { weights }) };
  return { name, stage: stage.name, totalSteps, learningRate, seed, noise, records: records.length, ...distills };
}

function runStage(
  { student, text, cache, views }: EmojiRun,
  { name, stage, teacher, weights, records, totalSteps, learningRate, seed, noise = 0 }: EmojiStage,
  upToHere: readonly EmojiStage[],
): RunStage {
  const samples = records.map((record) => text.encode(record));
  const sampler = createSampler(
    samples.map(({ inputIds }) => inputIds.length),
    BATCH_SIZE,
    seed,
  );
  const step = (index: number): readonly TokenBatch[] => {
    const rng = createRng(seed).fork(`step ${index}`);
    const chosen = sampler(index);
    const keys = chosen.map((i) => {
      const { image } = records[i] as EmojiRecord;
      return viewKey(image, rng.int(views(image)));
    });
    const batch = featureBatch(
      chosen.map((i) => samples[i] as (typeof samples)[number]),
      keys,
      cache,
      text.vocabularySize,
    );
    return [noise > 0 ? withFeatureNoise(batch, noise, rng) : batch];
  };
  return {
    name,
    totalSteps,
    recordsOf: (number) => sampler(number - 1).map((i) => (records[i] as EmojiRecord).id),
    open: (saved) =>
      resumable({
        params: student.params,
        trainable: trainableNames(stage, student),
        weights: [...new Set(upToHere.flatMap((earlier) => trainableNames(earlier.stage, student)))],
        totalSteps,
        step,
        train: (steps, state) =>
          trainStage({
            stage,
            student,
            ...(teacher ? { teacher } : {}),
            steps,
            state,
            totalSteps,
            learningRate,
            weights: weights ?? presets.paper,
            ...OPTIMISER,
          }),
        ...(saved === undefined ? {} : { saved }),
      }),
  };
}

/** The run beside this folder that has trained the most of the same first stages, if there is one. */
async function sharedBeginning(
  folder: string,
  config: { readonly tower: string; readonly stages: readonly object[] },
): Promise<RunOptions["fork"]> {
  const siblings = existsSync(dirname(folder)) ? await readdir(dirname(folder)) : [];
  let [most, found] = [0, undefined as RunOptions["fork"]];
  for (const name of siblings.sort()) {
    const other = join(dirname(folder), name);
    if (name === basename(folder) || !existsSync(join(other, "config.json"))) continue;
    const { config: before, stages } = await readRunConfig(other);
    const { tower, stages: settings = [] } = (before ?? {}) as Partial<typeof config>;
    const ends = await checkpointSteps(join(other, "checkpoints"));
    let steps = 0;
    for (const [i, stage] of config.stages.entries()) {
      if (tower !== config.tower || JSON.stringify(settings[i]) !== JSON.stringify(stage)) break;
      steps += stages[i]?.totalSteps ?? 0;
      if (i + 1 > most && ends.includes(steps))
        [most, found] = [i + 1, { folder: other, stage: (stage as EmojiStage).name }];
    }
  }
  return found;
}
