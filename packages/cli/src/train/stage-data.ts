import { KdError, type TokenBatch } from "@kd/contract";
import { mixture, parseConversation } from "@kd/data";
import { type DiskSource, openSource } from "@kd/data/node";
import { contentHash } from "@kd/disk-cache/node";
import { foldersOf, type StageConfig, sourcesOf, templateOf } from "./config.ts";
import type { FeatureStore } from "./feature-store.ts";
import { everything, type StageSteps, stepsOf, type WeightedSource } from "./stage-steps.ts";
import { createEncoder, type StepEncoderOptions } from "./step-encoder.ts";
import type { Student } from "./student.ts";

/** A stage's data. */
export interface StageData {
  readonly records: number;
  /** Changes when records, template or tokenizer do. */
  readonly fingerprint: string;
  /** Each record once, in their order, a micro-batch at a time, with the keys of its pictures. */
  everything(): AsyncGenerator<{ readonly batch: TokenBatch; readonly keys: readonly string[] }>;
  /** Steps of so many passes. */
  stepsOf(epochs: number): number;
  /** Starts reading, from the beginning until `kept` is restored. */
  steps(): StageSteps;
  close(): Promise<void>;
}

/** What a stage's data are read for. */
export interface StageDataOptions {
  readonly student: Student;
  readonly features: FeatureStore;
  readonly seed: number;
  /** Hears of each record that is left out, once. */
  readonly onSkip: (message: string) => void;
}

/** Opens a stage's data and tries a record of each source. Throws `KD_DATA` naming file and record, `KD_CONFIG` for a template that does not fit. */
export async function openStageData(stage: StageConfig, options: StageDataOptions): Promise<StageData> {
  const { student, features } = options;
  checkEnd(stage, student);
  const encoder = encoderOptions(stage, { student, features });
  const sources: WeightedSource[] = [];
  const told = new Set<string>();
  const onSkip = (message: string): void => {
    if (!told.has(message)) options.onSkip(message); // once a record, not once a pass
    told.add(message);
  };
  const close = async (): Promise<void> => {
    for (const { source } of sources) await source.close();
  };
  try {
    for (const { path, weight = 1, ...folders } of sourcesOf(stage))
      sources.push({ source: await openSource(path, foldersOf({ path, ...folders })), weight });
    if (stage.on_bad_record === "stop") for (const { source } of sources) await tryRecord(source, encoder);
    else for (const { source } of sources) nameUnreadable(source, onSkip);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    records: sources.reduce((sum, { source }) => sum + source.length, 0),
    stepsOf: (epochs) => {
      let steps = 0;
      for (let epoch = 0; epoch < epochs; epoch++)
        steps += Math.ceil(readable(sources, options.seed, epoch) / stage.batch_size);
      return steps;
    },
    fingerprint: contentHash([
      JSON.stringify({ ...encoder, tokenizer: undefined, kept: undefined }),
      JSON.stringify(student.text.tokenizerJson),
      ...sources.map(({ source }) => source.fingerprint),
    ]),
    everything: () => everything(sources, encoder, { ...options, onSkip, stage }),
    steps: () => stepsOf(sources, encoder, { ...options, onSkip, stage }),
    close,
  };
}

/** How a stage's records become batches. */
export function encoderOptions(
  stage: StageConfig,
  { student: { model, processor, text }, features }: Pick<StageDataOptions, "student" | "features">,
): StepEncoderOptions {
  return {
    tokenizer: text.folder,
    template: templateOf(stage),
    imageTokenId: model.config.image_token_index,
    imageTokens: processor.tokens,
    vocabSize: model.config.text_config.vocab_size,
    maxLength: stage.max_length,
    processor: processor.config,
    kept: features.kept,
  };
}

/** A source's first record, or the first that its index knows to be none, so that a wrong folder is found before anything trains. */
async function tryRecord(source: DiskSource, options: StepEncoderOptions): Promise<void> {
  if (source.length === 0)
    throw new KdError("KD_DATA", `${source.name}: expected records, got none; correct data_path`);
  const broken = source.lengths.indexOf(0);
  const record = await source.get(Math.max(0, broken));
  parseConversation(record.value, record.where);
  const { encode } = await createEncoder(options);
  try {
    await encode(record);
  } catch (error) {
    if (!KdError.is(error) || error.message.includes(record.where)) throw error;
    throw new KdError(error.code, `${record.where}: ${error.message}`, { cause: error });
  }
}

/** Records that the index knows to be none: no pass reads them, so that none would name them. */
function nameUnreadable({ name, lengths }: DiskSource, onSkip: (message: string) => void): void {
  for (const [i, words] of lengths.entries())
    if (words === 0) onSkip(`${name}[${i}]: no LLaVA record; kd data inspect says why`);
}

function readable(sources: readonly WeightedSource[], seed: number, epoch: number): number {
  if (sources.every(({ weight }) => Number.isInteger(weight)))
    return sources.reduce((sum, { source: { lengths }, weight }) => sum + weight * lengths.filter(Boolean).length, 0);
  const sized = sources.map(({ source: { length }, weight }) => ({ length, weight }));
  const { source, record } = mixture(sized, { seed, epoch });
  return record.filter((index, i) => sources[source[i] as number]?.source.lengths[index] !== 0).length;
}

/** A template whose end is no token of the tokenizer teaches no end: the student would never stop. */
function checkEnd(stage: StageConfig, { text: { tokenizer } }: Student): void {
  const { name, afterAnswer, dropQuestion } = templateOf(stage);
  const end = afterAnswer.trim();
  const known = tokenizer.idOf(end) !== undefined; // an unknown one may be one token, too
  if (dropQuestion || end === "" || (known && tokenizer.encode(end).length === 1)) return;
  throw new KdError(
    "KD_CONFIG",
    `template ${name} ends answers with ${JSON.stringify(end)}, which the tokenizer has not as one token; choose the template of this language model`,
  );
}
