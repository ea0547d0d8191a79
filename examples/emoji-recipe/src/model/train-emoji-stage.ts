import { join } from "node:path";
import type { TokenBatch } from "@kd/contract";
import type { FeatureCache, Llava } from "@kd/mllm";
import { type DistillWeights, presets, type StageRecord, trainableNames, trainStage } from "@kd/stages";
import { createRng, type VisionLanguageModel } from "@kd/tensor-core";
import type { EmojiRecord } from "../data/records.ts";
import { runTraining } from "../train/run-training.ts";
import { featureBatch, withFeatureNoise } from "./batch.ts";
import { viewKey } from "./features.ts";
import { createSampler } from "./sampler.ts";
import type { Text } from "./text.ts";

/** Records a step; the paper's 256 and 128 are for half a million pictures. */
const BATCH_SIZE = 64;
/** AdamW as in the PyTorch study this recipe follows; the paper's rates move nothing at this size. */
const OPTIMISER = { weightDecay: 0.05, betas: [0.9, 0.98] as const, warmupRatio: 0.03 };

export interface EmojiStage {
  /** What the progress line and the folder are called. */
  readonly name: string;
  readonly folder: string;
  readonly stage: StageRecord;
  readonly student: Llava;
  readonly teacher?: VisionLanguageModel;
  /** @defaultValue the paper's */
  readonly weights?: DistillWeights | undefined;
  readonly records: readonly EmojiRecord[];
  readonly text: Text;
  readonly cache: FeatureCache;
  readonly totalSteps: number;
  readonly learningRate: number;
  readonly seed: number;
  /** Views of an image to choose from, the plain one among them. */
  readonly views: (image: string) => number;
  /** Deviation of the noise on features. @defaultValue 0 */
  readonly noise?: number;
}

/** One stage on emoji records, resumable. */
export async function trainEmojiStage(options: EmojiStage): Promise<void> {
  const {
    name,
    folder,
    stage,
    student,
    teacher,
    weights,
    records,
    text,
    cache,
    totalSteps,
    learningRate,
    seed,
    views,
    noise = 0,
  } = options;
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
  await runTraining({
    name,
    folder: join(folder, name),
    params: student.params,
    trainable: trainableNames(stage, student),
    totalSteps,
    step,
    config: {
      stage: stage.name,
      totalSteps,
      learningRate,
      seed,
      noise,
      records: records.length,
      tower: cache.tower,
      ...(weights === undefined ? {} : { weights }),
    },
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
  });
}
