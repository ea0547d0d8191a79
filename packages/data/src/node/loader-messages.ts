import type { Pick } from "../epoch-batches.ts";
import type { EncodedBatch } from "./encode-batch.ts";
import type { EncoderModule } from "./encoder.ts";
import type { SourceHandle } from "./source-handle.ts";

/** What a worker starts with. */
export interface WorkerStart {
  readonly sources: readonly SourceHandle[];
  readonly encoder: EncoderModule;
  readonly onBadRecord: "stop" | "skip";
  /** Positions of the records in hand (−1: none), for the error when the worker dies. */
  readonly inHand: Int32Array<SharedArrayBuffer>;
}

/** One batch to make. */
export interface Job {
  readonly id: number;
  readonly picks: readonly Pick[];
}

/** What became of a job, or of the start (id −1). */
export type Reply =
  | { readonly id: number; readonly done: EncodedBatch }
  | { readonly id: number; readonly failed: { readonly code: string | undefined; readonly message: string } };
