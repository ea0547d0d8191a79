import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import type { Cursor } from "../batches.ts";
import { parseConversation } from "../conversation.ts";
import { epochBatches } from "../epoch-batches.ts";
import { dataError } from "./data-error.ts";
import type { EncodedBatch, SkippedRecord } from "./encode-batch.ts";
import type { LlavaBatch } from "./llava-encoder.ts";
import type { LoadedBatch, Loader, LoaderOptions, LoaderSource } from "./loader-options.ts";
import { loaderPool } from "./loader-pool.ts";

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
    let lastEpoch = epoch; // of the last batch that had a record
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
          if (head.cursor.epoch > lastEpoch + 1)
            throw dataError(
              passed[0]?.where ?? "loader",
              `expected a record that can be read, got none in a whole pass: ${passed[0]?.message}`,
            );
          continue; // its records are reported with the next batch
        }
        lastEpoch = head.cursor.epoch;
        yield { batch: batch as Batch, records: made.records, skipped: passed.splice(0), cursor: head.cursor };
      }
    } finally {
      await pool.close();
    }
  }
  const grouped = sampler !== "shuffle" && sampler !== "sequential"; // by mega-batches, whose size the order depends on
  const order = { seed, sampler, ...(grouped ? { batchSize, worldSize } : {}) };
  const hash = createHash("sha256").update(JSON.stringify(order));
  for (const { source, weight = 1 } of sources) hash.update(`${source.fingerprint} ${weight};`);
  return {
    [Symbol.asyncIterator]: iterate,
    stats: () => ({ batches, records, skipped, unreadable: left, waitedMs }),
    fingerprint: hash.digest("hex"),
    close: () => pool.close(),
  };
}
