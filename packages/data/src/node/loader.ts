import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import type { Cursor } from "../batches.ts";
import { parseConversation } from "../conversation.ts";
import { epochBatches } from "../epoch-batches.ts";
import type { SamplerName } from "../epoch-order.ts";
import { dataError } from "./data-error.ts";
import type { EncodedBatch, SkippedRecord } from "./encode-batch.ts";
import type { EncoderModule } from "./encoder.ts";
import type { LlavaBatch } from "./llava-encoder.ts";
import { loaderPool } from "./loader-pool.ts";
import type { DiskSource } from "./source-handle.ts";

/** How {@link createLoader} loads. */
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
  /** Changes when the data or their order do: a cursor of another fingerprint means other records. */
  readonly fingerprint: string;
  /** Stops the threads; sources stay open. */
  close(): Promise<void>;
}

/** Counts records that are none; the first is named when they stop the run. */
async function unreadable(sources: readonly LoaderSource[], onBadRecord: "stop" | "skip"): Promise<number> {
  let count = 0;
  for (const { source } of sources) {
    let first = -1;
    for (const [i, words] of source.lengths.entries()) {
      if (words !== 0) continue;
      count++;
      if (first < 0) first = i;
    }
    if (first < 0 || onBadRecord === "skip") continue;
    const { value, where } = await source.get(first);
    parseConversation(value, where);
    throw dataError(where, "expected a LLaVA record; correct it, or skip bad records");
  }
  return count;
}

/** A source and how often an epoch sees each of its records. */
export interface LoaderSource {
  readonly source: DiskSource;
  /** 3: three times an epoch; 0.5: half of the records, other halves in other epochs. @defaultValue 1 */
  readonly weight?: number;
}

/**
 * Reads, decodes and tokenises in worker threads ahead of the training step. The same options give the same batches, whatever the number of threads. A
 * batch whose records were skipped is smaller; one of which none is left is passed over, or an error where other ranks wait for it.
 *
 * @throws KdError `KD_DATA` at once when an index knows of unreadable records and they stop the run; later out of the iteration, naming file and index
 */
export async function createLoader<Batch = LlavaBatch>(
  sources: readonly LoaderSource[],
  options: LoaderOptions,
): Promise<Loader<Batch>> {
  const {
    encoder,
    batchSize,
    seed,
    sampler = "modality-length",
    onBadRecord = "stop",
    epochs = Number.POSITIVE_INFINITY,
  } = options;
  const {
    worldSize = 1,
    workers = Math.max(1, availableParallelism() - 1),
    ahead = 2 * workers,
    workerMemoryMb = 1024,
  } = options;
  if (!(workers >= 1 && ahead >= 1))
    throw dataError("loader", `expected workers and ahead of at least 1, got ${workers}, ${ahead}`);
  const left = await unreadable(sources, onBadRecord);
  const pool = loaderPool(
    { sources: sources.map(({ source }) => source.handle), encoder, onBadRecord },
    { workers, memoryMb: workerMemoryMb, nameOf: ({ source, record }) => `${sources[source]?.source.name}[${record}]` },
  );
  const drawn = sources.map(({ source: { lengths }, weight = 1 }) => ({ lengths, weight }));
  let [batches, records, skipped, waitedMs] = [0, 0, 0, 0];

  async function* iterate(): AsyncGenerator<LoadedBatch<Batch>> {
    const plan = epochBatches(drawn, { ...options, sampler });
    const queue: { made: Promise<EncodedBatch>; cursor: Cursor }[] = [];
    const passed: SkippedRecord[] = [];
    let id = 0;
    let epoch = options.cursor?.epoch ?? 0;
    const ask = (): void => {
      if (epoch >= epochs) return;
      const { picks, next } = plan.next().value as { picks: { source: number; record: number }[]; next: Cursor };
      epoch = next.epoch;
      const made = pool.make(id++, picks);
      made.catch(() => undefined); // awaited in its turn
      queue.push({ made, cursor: next });
    };
    try {
      while (queue.length < ahead && epoch < epochs) ask();
      for (let head = queue.shift(); head !== undefined; head = queue.shift()) {
        const since = performance.now();
        const { batch, ...made } = await head.made;
        waitedMs += performance.now() - since;
        ask(); // before the caller's step, which keeps this thread busy
        batches++;
        records += made.records.length;
        skipped += made.skipped.length;
        passed.push(...made.skipped);
        if (batch === undefined) {
          if (worldSize > 1)
            throw dataError(
              passed[0]?.where ?? "loader",
              "expected a record for every rank's batch, got none; remove the broken records",
            );
          continue; // its records are reported with the next batch
        }
        yield { batch: batch as Batch, records: made.records, skipped: passed.splice(0), cursor: head.cursor };
      }
    } finally {
      await pool.close();
    }
  }
  const hash = createHash("sha256").update(JSON.stringify({ batchSize, seed, sampler, onBadRecord }));
  for (const { source, weight = 1 } of sources) hash.update(`${source.fingerprint} ${weight};`);
  return {
    [Symbol.asyncIterator]: iterate,
    stats: () => ({ batches, records, skipped, unreadable: left, waitedMs }),
    fingerprint: hash.digest("hex"),
    close: () => pool.close(),
  };
}
