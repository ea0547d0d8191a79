import { join } from "node:path";
import { writeSafetensors } from "@kd/safetensors/node";
import { embedTokens, headName, initSlm, type SlmConfig, slmForward } from "@kd/slm";
import { type MicroLoss, train } from "@kd/stages";
import {
  createRng,
  gatherRows,
  type Params,
  reshape,
  rowLosses,
  type Tensor2D,
  tensor1d,
  variable,
} from "@kd/tensor-core";
import { baseTextSample } from "../data/base-text.ts";
import type { Lexicon } from "../data/lexicon.ts";
import { IMAGE_TOKENS, PAD_ID, type Text } from "../model/text.ts";
import { runTraining } from "../train/run-training.ts";

const BATCH = 64;
const CONTEXT_WEIGHT = 0.3; // of the words that stand where image tokens will stand

/** Token ids of one step with the weight of each prediction; position t predicts t + 1. */
interface TextBatch {
  readonly ids: Int32Array;
  readonly shape: readonly [number, number];
  readonly weights: Float32Array;
}

/** Text-only pre-training of a language model about train concepts; its weights go to `output`. */
export async function pretrainLanguageModel(options: {
  name: string;
  folder: string;
  output: string;
  config: SlmConfig;
  lexicon: Lexicon;
  text: Text;
  totalSteps: number;
  seed: number;
}): Promise<void> {
  const { name, folder, output, config, lexicon, text, totalSteps, seed } = options;
  const rng = createRng(seed);
  const params: Params = new Map();
  for (const [key, value] of initSlm(config, rng.fork("weights"))) {
    params.set(key, variable(value));
    value.dispose();
  }
  const trainable = [...params.keys()];
  await runTraining<TextBatch>({
    name,
    folder: join(folder, name),
    params,
    trainable,
    totalSteps,
    step: (index) => [drawBatch(lexicon, text, createRng(seed).fork(`step ${index}`))],
    config: { config, totalSteps, seed },
    train: (steps, state) =>
      train({
        params,
        trainable,
        steps,
        state,
        totalSteps,
        loss: (batch) => () => languageModelLoss(params, config, batch),
        tokensOf: ({ ids }) => ids.length,
        learningRate: 3e-3,
        weightDecay: 0.05,
        betas: [0.9, 0.98],
        where: name,
      }),
  });
  await saveWeights(params, output);
}

function drawBatch(lexicon: Lexicon, text: Text, rng: ReturnType<typeof createRng>): TextBatch {
  const samples = Array.from({ length: BATCH }, () => {
    const sample = baseTextSample(lexicon, rng);
    const context = sample.context.flatMap((word) => text.ids(word)).slice(0, IMAGE_TOKENS);
    const { inputIds, labels, imageSpans } = text.encode(sample);
    const after = imageSpans[0]?.length ?? 0; // the context stands where the image would
    const ids = [...context, ...inputIds.slice(after)];
    const supervised = [
      ...context.map(() => CONTEXT_WEIGHT),
      ...labels.slice(after).map((label) => (label >= 0 ? 1 : 0)),
    ];
    return { ids, supervised };
  });
  const length = Math.max(...samples.map(({ ids }) => ids.length));
  const batch = {
    ids: new Int32Array(BATCH * length).fill(PAD_ID),
    shape: [BATCH, length] as const,
    weights: new Float32Array(BATCH * length),
  };
  for (const [b, { ids, supervised }] of samples.entries()) {
    batch.ids.set(ids, b * length);
    batch.weights.set(supervised.slice(1), b * length); // the row before a token predicts it
  }
  return batch;
}

function languageModelLoss(params: Params, config: SlmConfig, { ids, shape, weights }: TextBatch): MicroLoss {
  const trainable = new Set(params.keys());
  const embeddings = embedTokens({ config, params, inputIds: ids, shape, trainable });
  const hidden = slmForward({ config, params, embeddings, trainable });
  const rows = Int32Array.from(weights.keys()).filter((row) => (weights[row] as number) > 0);
  const total = rows.reduce((sum, row) => sum + (weights[row] as number), 0);
  const { loss, ce } = rowLosses({
    student: {
      hidden: gatherRows(reshape(hidden, [-1, config.hidden_size]) as Tensor2D, tensor1d(rows, "int32")) as Tensor2D,
      head: params.get(headName(config)) as Tensor2D,
    },
    labels: tensor1d(
      rows.map((row) => ids[row + 1] as number),
      "int32",
    ),
    rowWeights: tensor1d(Float32Array.from(rows, (row) => weights[row] as number)),
    ceWeight: 1 / total,
  });
  return { loss, parts: { ce } };
}

/** Weights in half precision: the folder they go to is committed. */
export async function saveWeights(params: Params, output: string): Promise<void> {
  const tensors: [string, { dtype: "F16"; shape: number[]; data: Float32Array }][] = [];
  for (const [name, value] of params)
    tensors.push([name, { dtype: "F16", shape: value.shape, data: Float32Array.from(await value.data()) }]);
  await writeSafetensors(output, tensors, { format: "pt" });
}
