import { KdError, type TokenBatch } from "@kd/contract";
import type { Divergence, Rng, VisionLanguageModel } from "@kd/tensor-core";
import { numbersOverRanks } from "./over-ranks.ts";
import { type Counts, countsOf, stageLoss } from "./stage-loss.ts";
import type { DistillWeights, StageRecord } from "./stages.ts";
import { isKept, type TaughtRows, type TeacherRows } from "./teacher-rows.ts";
import { train } from "./train.ts";
import type { TrainOptions, TrainReport } from "./train-options.ts";

/** Options of {@link trainStage}; schedule, optimiser and state as in {@link train}. */
export interface TrainStageOptions
  extends Omit<TrainOptions<TokenBatch>, "params" | "trainable" | "loss" | "learningRate" | "tokensOf" | "where"> {
  readonly stage: StageRecord;
  /** The model that is trained, in place. */
  readonly student: VisionLanguageModel;
  /**
   * Needed by stages that distil; it reads the same batches, so it must share token ids and visual tokens. A model, or its rows as they were
   * kept (`openTeacherRows` of `@kd/stages/node`).
   */
  readonly teacher?: VisionLanguageModel | TeacherRows;
  /** @defaultValue `presets.paper` */
  readonly weights?: DistillWeights;
  /** Of both softmaxes; the KL is multiplied by its square. @defaultValue 1, as in the paper */
  readonly temperature?: number;
  /** Of MDist, on response and visual rows. @defaultValue the forward KL, the paper's */
  readonly divergence?: Divergence;
  /** Whether the student's layers are run again in backward instead of keeping their activations. @defaultValue false */
  readonly gradientCheckpointing?: boolean;
  /** What the student's dropout draws from; a run that is resumed must keep its `state()`. @defaultValue none, for models without dropout */
  readonly rng?: Rng;
  /** Peak. @defaultValue the stage's, from the paper */
  readonly learningRate?: number;
}

/** Names of the parameters that a stage trains in a model. */
export function trainableNames({ trains }: StageRecord, { groups }: VisionLanguageModel): string[] {
  return trains.flatMap((group) => groups[group]);
}

/**
 * Trains one stage of LLaVA-KD: `ce + α·mdist.response + β·mdist.visual + γ·rdist`, each a mean over the whole step, of which PT and SFT have
 * the first alone. Parts are reported without their weights, those of weight 0 as 0.
 *
 * @throws KdError `KD_CONFIG` when a distilling stage has no teacher; `KD_DATA` for a label outside the vocabulary; the rest as {@link train}.
 */
export function trainStage(options: TrainStageOptions): AsyncGenerator<TrainReport, void, undefined> {
  const { stage, student, teacher, learningRate = stage.learningRate, ...rest } = options;
  if (stage.distills && teacher === undefined)
    throw new KdError(
      "KD_CONFIG",
      `trainStage: stage "${stage.name}" distils and needs a teacher, got none; pass one or choose pt or sft`,
    );
  const trainable = trainableNames(stage, student);
  const loss = ({ batch, counts, taught }: CountedBatch) =>
    stageLoss(batch, counts, { ...options, taught, trainable: new Set(trainable) });
  const tokensOf = ({ batch }: CountedBatch) => batch.attentionMask.reduce((sum, bit) => sum + bit, 0);
  const steps = countSteps(options);
  return train({ ...rest, steps, params: student.params, trainable, loss, learningRate, tokensOf, where: stage.name });
}

interface CountedBatch {
  readonly batch: TokenBatch;
  /** Of its whole step, over all ranks. */
  readonly counts: Counts;
  readonly taught: TaughtRows | undefined;
}

async function* countSteps(options: TrainStageOptions): AsyncGenerator<CountedBatch[]> {
  const { stage, steps, allReduce, state } = options;
  const teacher = stage.distills && options.teacher && isKept(options.teacher) ? options.teacher : undefined;
  let number = state?.step ?? 0;
  for await (const step of steps) {
    number++;
    const counts = (await numbersOverRanks({ ...countsOf(step) }, allReduce)) as unknown as Counts;
    const counted: CountedBatch[] = [];
    for (const [i, batch] of step.entries())
      counted.push({
        batch,
        counts,
        taught:
          teacher && (await named(`${stage.name}, step ${number}, micro-batch ${i + 1}`, () => teacher.rows(batch))),
      });
    yield counted;
  }
}

/** The work, whose error says where it was done. */
async function named<T>(where: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!KdError.is(error)) throw error;
    throw new KdError(error.code, `${where}: ${error.message}`, { cause: error });
  }
}
