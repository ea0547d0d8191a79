import { basename } from "node:path";
import { KdError, type TokenBatch } from "@kd/contract";
import { type Conversation, collate, encodeConversation, parseConversation, type Sample } from "@kd/data";
import { type DiskSource, openSource, pictureBytes, readImage } from "@kd/data/node";
import sharp from "sharp";
import { answeringStage } from "./answering-stage.ts";
import { foldersOf, type RunConfig, type StageConfig, type StageName, sourcesOf, templateOf } from "./config.ts";
import type { FeatureStore } from "./feature-store.ts";
import { encoderOptions } from "./stage-data.ts";
import { microBatchSize } from "./stage-steps.ts";
import { createEncoder } from "./step-encoder.ts";
import type { Student } from "./student.ts";

/** Records that a run's student is measured on and asked. */
export interface EvaluationSet {
  /** What they are, for a report. */
  readonly note: string;
  /** As the last stage that answers questions would train on them. */
  readonly batches: readonly TokenBatch[];
  /** First questions of records with a picture. */
  readonly questions: readonly EvaluationQuestion[];
}

/** One question about pictures. */
export interface EvaluationQuestion {
  readonly question: string;
  readonly answer: string;
  /** The first picture, as a page can hold it. */
  readonly image: string;
  /** The prompt alone, with features of its pictures. */
  readonly batch: TokenBatch;
}

const ASKED = 24; // questions: an answer takes many passes, a measurement one
const SIDE = 256; // pixels of a report's picture
const TAG = "<image>";

/** The stage that the records are read for: the last that answers questions, or a captioning one where there is no other. */
export const evaluationStage = (config: RunConfig): StageConfig =>
  answeringStage(config) ?? (config[config.stages.at(-1) as StageName] as StageConfig);

/** Reads `eval_samples` records, evenly spread; undefined where none are wanted. Throws as the data of a stage. */
export async function openEvaluationSet(
  config: RunConfig,
  models: { readonly student: Student; readonly features: FeatureStore },
): Promise<EvaluationSet | undefined> {
  const { eval_samples: count, eval_data_path: path, eval_image_folder: imageFolder } = config;
  if (count === 0) return undefined;
  const trained = evaluationStage(config);
  const stage = {
    ...trained,
    ...(path === null ? {} : { data_path: path, image_folder: null }),
    ...(imageFolder === null ? {} : { image_folder: imageFolder }),
  };
  const sources: DiskSource[] = [];
  try {
    for (const source of sourcesOf(stage)) sources.push(await openSource(source.path, foldersOf(source)));
    return await readSet(sources, { ...models, stage, count, heldOut: path !== null });
  } finally {
    for (const source of sources) await source.close();
  }
}

interface ReadSet {
  readonly student: Student;
  readonly features: FeatureStore;
  readonly stage: StageConfig;
  readonly count: number;
  readonly heldOut: boolean;
}

async function readSet(
  sources: readonly DiskSource[],
  { student, features, stage, count, heldOut }: ReadSet,
): Promise<EvaluationSet> {
  const encoder = await createEncoder(encoderOptions(stage, { student, features }));
  const samples: Awaited<ReturnType<typeof encoder.encode>>[] = [];
  const questions: EvaluationQuestion[] = [];
  for (const { source, i } of evenlySpread(sources, count)) {
    const record = await source.get(i);
    try {
      const sample = await encoder.encode(record);
      samples.push(sample);
      const first = firstRound(parseConversation(record.value, record.where));
      const [image] = first.images;
      if (questions.length >= ASKED || image === undefined) continue;
      const prompt = encodeConversation(first, { ...textOptions(student, stage), prompt: true });
      const pictures = sample.pictures.slice(0, prompt.imageSpans.length);
      if (pictures.length < prompt.imageSpans.length) continue; // cut off by max_length
      const batch = { ...paddedBatch([prompt], student), images: await features.of(pictures) };
      const { bytes, where } = await pictureBytes(record, image);
      const [{ question, answer }] = first.rounds as [Conversation["rounds"][number]];
      const shown = question.replaceAll(TAG, "").trim() || "(the picture alone)";
      questions.push({ question: shown, answer, image: await thumbnail(bytes, where), batch });
    } catch (error) {
      if (stage.on_bad_record === "stop" || !KdError.is(error) || error.code !== "KD_DATA") throw error;
    }
  }
  const size = microBatchSize(stage);
  const batches: TokenBatch[] = [];
  for (let at = 0; at < samples.length; at += size) {
    const { pictures, ...batch } = await encoder.collate(samples.slice(at, at + size));
    batches.push(pictures.length === 0 ? batch : { ...batch, images: await features.of(pictures) });
  }
  const what = `${samples.length} records of ${sources.map(({ name }) => basename(name)).join(", ")}`;
  const note = `${what}, ${heldOut ? "given for this" : "which the student was trained on: eval_data_path names others"}`;
  return { note, batches, questions };
}

/** So many of the readable records of all sources, without a list of them all. */
function* evenlySpread(sources: readonly DiskSource[], count: number): Generator<{ source: DiskSource; i: number }> {
  const readable = sources.reduce((sum, { lengths }) => sum + lengths.filter(Boolean).length, 0);
  const wanted = Math.min(count, readable);
  let [seen, given] = [0, 0];
  for (const source of sources)
    for (const [i, words] of source.lengths.entries()) {
      if (words === 0) continue;
      if (seen++ !== Math.floor((given * readable) / wanted)) continue;
      yield { source, i };
      if (++given === wanted) return;
    }
}

/** The first question with its own pictures; the answer is there to compare with. */
function firstRound({ id, images, rounds }: Conversation): Conversation {
  const [first = { question: "", answer: "" }] = rounds;
  return { id, images: images.slice(0, first.question.split(TAG).length - 1), rounds: [first] };
}

const textOptions = ({ model, processor, text }: Student, stage: StageConfig) => ({
  tokenizer: text.tokenizer,
  template: templateOf(stage),
  imageTokenId: model.config.image_token_index,
  imageTokens: processor.tokens,
});

/** Samples as one batch, without their pictures. */
const paddedBatch = (samples: readonly Sample[], { model }: Student): TokenBatch =>
  collate(samples, { padId: 0, vocabSize: model.config.text_config.vocab_size });

/** A picture as a page can hold it. */
async function thumbnail(bytes: Uint8Array, name: string): Promise<string> {
  const { data, width, height } = await readImage(bytes, { name, background: "white" });
  const small = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(SIDE, SIDE, { fit: "inside", withoutEnlargement: true })
    .webp()
    .toBuffer();
  return `data:image/webp;base64,${small.toString("base64")}`;
}
