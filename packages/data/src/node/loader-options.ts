import type { Cursor } from "../batches.ts";
import type { SamplerName } from "../epoch-order.ts";
import type { SkippedRecord } from "./encode-batch.ts";
import type { EncoderModule } from "./encoder.ts";
import type { DiskSource } from "./source-handle.ts";

/** How `createLoader` loads. */
export interface LoaderOptions {
  readonly encoder: EncoderModule;
  /** Samples of one rank's micro-batch. */
  readonly batchSize: number;
  /** Of the order and the mixture. */
  readonly seed: number;
  /** @defaultValue "modality-length", as TinyLLaVA and LLaVA */
  readonly sampler?: SamplerName;
  /** @defaultValue 0 */
  readonly rank?: number;
  /** Ranks. @defaultValue 1 */
  readonly worldSize?: number;
  /** Where to go on. @defaultValue the beginning */
  readonly cursor?: Cursor;
  /** Whole passes, counted from epoch 0. @defaultValue endless */
  readonly epochs?: number;
  /** A record or picture that cannot be read stops the run, or is left out of its batch. @defaultValue "stop" */
  readonly onBadRecord?: "stop" | "skip";
  /** Threads. @defaultValue one less than cores, at least one */
  readonly workers?: number;
  /** Batches that are made at most before they are asked for. @defaultValue two a worker */
  readonly ahead?: number;
  /** Heap of a worker beyond which it is stopped, in MiB; pixels lie outside it. @defaultValue 1,024 */
  readonly workerMemoryMb?: number;
}

/** A batch and where it stands. */
export interface LoadedBatch<Batch> {
  readonly batch: Batch;
  /** File and index of the records in it: what to write down when a loss is NaN. */
  readonly records: readonly string[];
  /** Records that are not in it. */
  readonly skipped: readonly SkippedRecord[];
  /** Continues after this batch. */
  readonly cursor: Cursor;
}

/** What a loader has done so far. */
export interface LoaderStats {
  readonly batches: number;
  readonly records: number;
  /** Records left out while batches were made. */
  readonly skipped: number;
  /** Records left out from the start, since their file's index knows that they are none. */
  readonly unreadable: number;
  /** Time that the caller waited for batches, in milliseconds; the first one included. */
  readonly waitedMs: number;
}

/** Batches in a fixed order; leaving a `for await` closes it. */
export interface Loader<Batch> extends AsyncIterable<LoadedBatch<Batch>> {
  stats(): LoaderStats;
  /**
   * Changes when the data or their order do: a cursor of another fingerprint means other records. The order of `shuffle` and `sequential` does not depend
   * on `batchSize` and `worldSize`, so that other numbers can go on there; none depends on `onBadRecord`, so that what stopped can go on by skipping.
   */
  readonly fingerprint: string;
  /** Stops the threads; sources stay open. */
  close(): Promise<void>;
}

/** A source and how often an epoch sees each of its records. */
export interface LoaderSource {
  readonly source: DiskSource;
  /** 3: three times an epoch; 0.5: half of the records, other halves in other epochs. @defaultValue 1 */
  readonly weight?: number;
}
