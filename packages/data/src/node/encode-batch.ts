import { KdError } from "@kd/contract";
import type { Pick } from "../epoch-batches.ts";
import type { RecordSource } from "../source.ts";
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

/** Records of a batch in hand at a time: reading and decoding go through threads of their own, whose waits overlap. */
export const LANES = 4;

type Outcome =
  | { readonly where: string; readonly sample: unknown }
  | { readonly where: string; readonly error: KdError };

/**
 * Reads and encodes the records of one batch. `onRecord` hears which position a lane has in hand (−1: none), so that whoever watches can name it after a
 * crash. With several errors that stop, the first record's is thrown.
 */
export async function encodeBatch(
  picks: readonly Pick[],
  options: {
    sources: readonly RecordSource[];
    encoder: Encoder;
    onBadRecord: "stop" | "skip";
    onRecord?: (lane: number, position: number) => void;
  },
): Promise<EncodedBatch> {
  const { sources, encoder, onBadRecord, onRecord } = options;
  const one = async ({ source: s, record: index }: Pick): Promise<Outcome> => {
    const source = sources[s] as RecordSource;
    const where = `${source.name}[${index}]`;
    try {
      return { where, sample: await encoder.encode(await source.get(index)) };
    } catch (error) {
      if (!KdError.is(error))
        return {
          where,
          error: new KdError("KD_CONFIG", `${where}: the encoder failed: ${String(error)}; correct the encoder`, {
            cause: error,
          }),
        };
      const message = error.message.includes(where) ? error.message : `${where}: ${error.message}`;
      return { where, error: new KdError(error.code, message, { cause: error }) };
    }
  };
  const outcomes: Outcome[] = [];
  let next = 0;
  const lane = async (number: number): Promise<void> => {
    while (next < picks.length) {
      const position = next++;
      onRecord?.(number, position);
      outcomes[position] = await one(picks[position] as Pick);
    }
    onRecord?.(number, -1);
  };
  await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
  const [samples, records, skipped]: [unknown[], string[], SkippedRecord[]] = [[], [], []];
  for (const outcome of outcomes) {
    if ("sample" in outcome) {
      samples.push(outcome.sample);
      records.push(outcome.where);
    } else if (outcome.error.code === "KD_DATA" && onBadRecord === "skip")
      skipped.push({ where: outcome.where, message: outcome.error.message });
    else throw outcome.error;
  }
  return { batch: samples.length === 0 ? undefined : await encoder.collate(samples), records, skipped };
}
