import { KdError } from "@kd/contract";
import type { Pick } from "../epoch-batches.ts";
import type { RecordSource } from "../source.ts";
import { dataError } from "./data-error.ts";
import type { Encoder } from "./encoder.ts";

/** A record that is not in its batch, and why. */
export interface SkippedRecord {
  /** File and index. */
  readonly where: string;
  /** The error's message. */
  readonly message: string;
}

/** A batch as it comes out of a worker; none when every record of it was skipped. */
export interface EncodedBatch {
  readonly batch: unknown;
  /** File and index of the records in it, in order. */
  readonly records: readonly string[];
  readonly skipped: readonly SkippedRecord[];
}

/** Reads and encodes the records of one batch. `onRecord` hears the position of each before it is read: whoever watches can name it after a crash. */
export async function encodeBatch(
  picks: readonly Pick[],
  options: {
    sources: readonly RecordSource[];
    encoder: Encoder;
    onBadRecord: "stop" | "skip";
    onRecord?: (position: number) => void;
  },
): Promise<EncodedBatch> {
  const { sources, encoder, onBadRecord, onRecord } = options;
  const [samples, records, skipped]: [unknown[], string[], SkippedRecord[]] = [[], [], []];
  for (const [position, { source: s, record: index }] of picks.entries()) {
    const source = sources[s] as RecordSource;
    const where = `${source.name}[${index}]`;
    onRecord?.(position);
    try {
      samples.push(await encoder.encode(await source.get(index)));
      records.push(where);
    } catch (error) {
      if (!KdError.is(error))
        throw dataError(where, `the encoder failed: ${String(error)}; correct the encoder`, error);
      const message = error.message.includes(where) ? error.message : `${where}: ${error.message}`;
      if (error.code !== "KD_DATA" || onBadRecord === "stop") throw new KdError(error.code, message, { cause: error });
      skipped.push({ where, message });
    }
  }
  return { batch: samples.length === 0 ? undefined : await encoder.collate(samples), records, skipped };
}
