import type { RecordSource } from "../source.ts";

/** Where pictures of a source lie. */
export interface ImagePlace {
  /** Folder that the records' picture paths start from. */
  readonly imageFolder: string;
  /** Other folders that links inside it may lead to. @defaultValue none */
  readonly linkedFolders?: readonly string[];
}

/** All that a worker thread needs to read the same source without another pass: plain data, and shared memory that isn't copied. */
export type SourceHandle = { readonly name: string; readonly fingerprint: string } & (
  | ({
      readonly kind: "records";
      /** A JSON file, or the text of all records where none has one. */
      readonly text: string | SharedArrayBuffer;
      readonly index: SharedArrayBuffer;
      /** Each record is a line of JSON and the bytes of its pictures, as unpacked from Parquet. @defaultValue false */
      readonly packed?: boolean;
    } & ImagePlace)
  | { readonly kind: "several"; readonly parts: readonly SourceHandle[] }
);

/** A source on disk: a {@link RecordSource} that worker threads can open, too. */
export interface DiskSource extends RecordSource {
  readonly handle: SourceHandle;
}
