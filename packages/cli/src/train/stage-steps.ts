import { KdError, type TokenBatch } from "@kd/contract";
import type { Cursor } from "@kd/data";
import { createLoader, type DiskSource, type Loader, type LoaderOptions, type SkippedRecord } from "@kd/data/node";
import type { Kept } from "@kd/stages";
import type { StageConfig } from "./config.ts";
import type { FeatureStore } from "./feature-store.ts";
import type { PictureBatch, StepEncoderOptions } from "./step-encoder.ts";

/** Steps in their order. */
export interface StageSteps {
  /** Micro-batches of the next step. */
  next(): Promise<readonly TokenBatch[]>;
  /** File and index of the records of the last step that came whole. */
  records(): readonly string[];
  /** Where the next step begins: what a resumed run must find as it was. */
  readonly kept: Kept;
  close(): void;
}

/** A source, and how often a pass reads each of its records. */
export interface WeightedSource {
  readonly source: DiskSource;
  readonly weight: number;
}

/** How the sources of a stage are read. */
interface ReadOptions {
  readonly stage: StageConfig;
  readonly features: FeatureStore;
  readonly seed: number;
  /** Hears of records that are left out. */
  readonly onSkip: (message: string) => void;
}

/** The largest divisor of a step's records that is no more than asked for: micro-batches fill steps exactly. */
export function microBatchSize({ batch_size, micro_batch_size }: StageConfig): number {
  let size = Math.min(batch_size, micro_batch_size);
  while (batch_size % size !== 0) size--;
  return size;
}

const MODULE = new URL(`./step-encoder${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url);

/** Steps of a stage, of several passes over the sources. */
export function stepsOf(
  sources: readonly WeightedSource[],
  encoder: StepEncoderOptions,
  { stage, features, seed, onSkip }: ReadOptions,
): StageSteps {
  let cursor: Cursor = { epoch: 0, offset: 0 };
  let trainedOn: string | undefined;
  let loader: Loader<PictureBatch> | undefined;
  let records: string[] = [];
  const start = async () => {
    loader = await createLoader<PictureBatch>(sources, { ...loaderOptions(stage, encoder, seed), cursor });
    if (trainedOn !== undefined && trainedOn !== loader.fingerprint)
      throw new KdError(
        "KD_DATA",
        `${sources.map(({ source }) => source.name).join(", ")}: expected the data that the checkpoint was trained on, got others; restore them, or train the stage again with --from`,
      );
    trainedOn = loader.fingerprint;
    return loader[Symbol.asyncIterator]();
  };
  let reading: Awaited<ReturnType<typeof start>> | undefined;
  return {
    next: async () => {
      reading ??= await start();
      const micro: TokenBatch[] = [];
      const names: string[] = [];
      const step = ({ offset }: Cursor): number => Math.floor(offset / stage.batch_size);
      let at = cursor;
      while (at.epoch === cursor.epoch && step(at) === step(cursor)) {
        const { value, done } = await reading.next();
        if (done === true) throw new KdError("KD_DATA", "loader: expected another batch, it was closed; start again");
        for (const each of value.skipped) onSkip(namedSkip(each));
        micro.push(await withFeatures(value.batch, features));
        names.push(...value.records);
        at = value.cursor;
      }
      [cursor, records] = [at, names]; // at once: a step that fails half-way is read again
      return micro;
    },
    records: () => records,
    kept: {
      save: () => ({ ...cursor, data: trainedOn }),
      restore: (saved) => {
        const { data, ...place } = saved as Cursor & { readonly data: string };
        cursor = place;
        trainedOn = data;
      },
    },
    close: () => void loader?.close(),
  };
}

/** Each record once, in their order, a micro-batch at a time, with the keys of its pictures. */
export async function* everything(
  sources: readonly WeightedSource[],
  encoder: StepEncoderOptions,
  { stage, features, seed, onSkip }: ReadOptions,
): AsyncGenerator<{ readonly batch: TokenBatch; readonly keys: readonly string[] }> {
  const loader = await createLoader<PictureBatch>(
    sources.map(({ source }) => ({ source })),
    { ...loaderOptions(stage, encoder, seed), sampler: "sequential", epochs: 1 },
  );
  for await (const { batch, skipped } of loader) {
    for (const each of skipped) onSkip(namedSkip(each));
    yield { batch: await withFeatures(batch, features), keys: batch.pictures.map(({ key }) => key) };
  }
}

const loaderOptions = (stage: StageConfig, options: StepEncoderOptions, seed: number): LoaderOptions => ({
  encoder: { module: MODULE.href, options },
  batchSize: microBatchSize(stage),
  seed,
  sampler: stage.sampler,
  onBadRecord: stage.on_bad_record,
  ...(stage.workers === null ? {} : { workers: stage.workers }),
});

const namedSkip = ({ where, message }: SkippedRecord): string =>
  message.includes(where) ? message : `${where}: ${message}`;

async function withFeatures({ pictures, ...batch }: PictureBatch, features: FeatureStore): Promise<TokenBatch> {
  return pictures.length === 0 ? batch : { ...batch, images: await features.of(pictures) };
}
