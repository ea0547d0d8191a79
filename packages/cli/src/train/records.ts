import { existsSync, realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isAbsolute, relative, resolve } from "node:path";
import { KdError, type TokenBatch } from "@kd/contract";
import {
  type Conversation,
  collate,
  encodeConversation,
  parseConversations,
  type Sample,
  shuffledIndices,
  type Template,
} from "@kd/data";
import { parseJson } from "../json-file.ts";
import { tokensById } from "../text-files.ts";
import { type StageConfig, templateOf } from "./config.ts";
import type { FeatureStore } from "./feature-store.ts";
import type { Student } from "./student.ts";

/** A stage's data. */
export interface StageData {
  readonly records: number;
  /** Micro-batches of step `index`, which counts from 0: a function of the index alone, so that a resumed run sees the same. */
  step(index: number): Promise<readonly TokenBatch[]>;
  /** Ids of its records. */
  recordsOf(index: number): readonly string[];
}

/** Opens a stage's records and looks for every picture. Throws `KD_DATA` naming file and record, `KD_CONFIG` for a template that does not fit. */
export async function openRecords(
  stage: StageConfig,
  { student, features, seed }: { readonly student: Student; readonly features: FeatureStore; readonly seed: number },
): Promise<StageData> {
  const { data_path: file, batch_size, micro_batch_size } = stage;
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new KdError("KD_DATA", `${file}: expected LLaVA's JSON, could not read it (${cause.code}); check data_path`, {
      cause,
    });
  });
  const records = parseConversations(parseJson(text, file), { file });
  if (records.length === 0) throw new KdError("KD_DATA", `${file}: expected records, got none`);
  const template = templateOf(stage);
  checkEnd(template, student, file);
  const folder = resolve(stage.image_folder);
  for (const [i, { images }] of records.entries())
    for (const image of images) pictureFile(folder, image, `${file}[${i}]`);
  const perEpoch = Math.ceil(records.length / batch_size);
  const chosen = (index: number): readonly Conversation[] => {
    const order = shuffledIndices(records.length, Math.imul(seed, 0x9e3779b1) + Math.floor(index / perEpoch));
    const start = (index % perEpoch) * batch_size;
    return order.slice(start, start + batch_size).map((i) => records[i] as Conversation);
  };
  return {
    records: records.length,
    step: async (index) => {
      const step = chosen(index);
      const micro: TokenBatch[] = [];
      for (let i = 0; i < step.length; i += micro_batch_size)
        micro.push(await toBatch(step.slice(i, i + micro_batch_size), { stage, template, student, features, folder }));
      return micro;
    },
    recordsOf: (index) => chosen(index).map(({ id }) => id),
  };
}

interface BatchOptions {
  readonly stage: StageConfig;
  readonly template: Template;
  readonly student: Student;
  readonly features: FeatureStore;
  readonly folder: string;
}

async function toBatch(records: readonly Conversation[], options: BatchOptions): Promise<TokenBatch> {
  const { stage, template, student, features, folder } = options;
  const { text, processor, model } = student;
  const samples = records.map((record) =>
    cut(
      encodeConversation(record, {
        tokenizer: text.tokenizer,
        template,
        imageTokenId: model.config.image_token_index,
        imageTokens: processor.tokens,
      }),
      stage.max_length,
      record.id,
    ),
  );
  const batch = collate(samples, { padId: 0, vocabSize: model.config.text_config.vocab_size });
  const files = records.flatMap(({ images, id }) => images.map((image) => pictureFile(folder, image, `record ${id}`)));
  return files.length === 0 ? batch : { ...batch, images: await features.of(files) };
}

/** LLaVA cuts long records at the end; a cut through a picture would shift every feature after it. */
function cut(sample: Sample, length: number, id: string): Sample {
  if (sample.inputIds.length <= length) return sample;
  if (sample.imageSpans.some((span) => span.start + span.length > length))
    throw new KdError(
      "KD_DATA",
      `record ${id}: expected its pictures within ${length} tokens, got ${sample.inputIds.length}; raise max_length`,
    );
  return { ...sample, inputIds: sample.inputIds.slice(0, length), labels: sample.labels.slice(0, length) };
}

/** A record's picture; no link, drive or `..` leads out of the folder. */
function pictureFile(folder: string, image: string, where: string): string {
  const file = resolve(folder, image);
  const fail = (got: string): never => {
    throw new KdError(
      "KD_DATA",
      `${where}: expected picture "${image}" in ${folder}, got ${got}; correct the record or image_folder`,
    );
  };
  if (isOutside(folder, file)) return fail("a path that leads out of it");
  if (!existsSync(file)) return fail("none");
  return isOutside(realpathSync(folder), realpathSync(file)) ? fail("a link that leads out of it") : file;
}

function isOutside(folder: string, file: string): boolean {
  const path = relative(folder, file);
  return path === "" || path.startsWith("..") || isAbsolute(path);
}

/** A template whose end is no token of the tokenizer teaches no end: the student would never stop. */
function checkEnd({ name, afterAnswer, dropQuestion }: Template, { text }: Student, file: string): void {
  const end = afterAnswer.trim();
  const known = [...tokensById(text.tokenizerJson).values()].includes(end); // an unknown one may be one token, too
  if (dropQuestion || end === "" || (known && text.tokenizer.encode(end).length === 1)) return;
  throw new KdError(
    "KD_CONFIG",
    `${file}: template ${name} ends answers with ${JSON.stringify(end)}, which the tokenizer has not as one token; choose the template of this language model`,
  );
}
