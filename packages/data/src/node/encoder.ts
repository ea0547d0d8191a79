import type { SourceRecord } from "../source.ts";

/** What worker threads do with records. */
export interface Encoder<Sample = unknown, Batch = unknown> {
  /** One record. A `KdError` of code `KD_DATA` says that the record is at fault: it stops the run or is skipped; any other error stops. */
  encode(record: SourceRecord): Sample | Promise<Sample>;
  /** Samples of one batch, at least one. Plain data: arrays in it are handed over without a copy. */
  collate(samples: readonly Sample[]): Batch | Promise<Batch>;
}

/** Where worker threads find an encoder. */
export interface EncoderModule {
  /** URL of a module, as `import.meta.resolve` gives it, that exports `createEncoder(options)`. @defaultValue LLaVA's encoder of this package */
  readonly module?: string;
  /** Plain data that every worker passes to `createEncoder`. */
  readonly options: unknown;
}

/** Loads an encoder, in whichever thread. */
export async function loadEncoder({ module, options }: EncoderModule): Promise<Encoder> {
  const { createEncoder } = (module === undefined ? await import("./llava-encoder.ts") : await import(module)) as {
    createEncoder(options: unknown): Promise<Encoder> | Encoder;
  };
  return createEncoder(options);
}
