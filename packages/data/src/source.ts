/** A record with all that is needed to read it. */
export interface SourceRecord {
  /** As it stands in the file; `parseConversation` checks it. */
  readonly value: unknown;
  /** File and index, for errors. */
  readonly where: string;
  /** Folder that the record's picture paths start from. */
  readonly imageFolder?: string;
  /** Other folders that links inside `imageFolder` may lead to. */
  readonly linkedFolders?: readonly string[];
  /** Encoded pictures that came inside the file (Parquet), by the name that the record uses. */
  readonly pictures?: ReadonlyMap<string, Uint8Array>;
}

/** Records of one data set, of any size: read one at a time, in any order. */
export interface RecordSource {
  /** For logs and reports. */
  readonly name: string;
  /** Records. */
  readonly length: number;
  /** Words of each record, negative for text only, 0 for a record that cannot be read: what samplers go by. */
  readonly lengths: Int32Array;
  /** Changes when the data do: for checkpoints. */
  readonly fingerprint: string;
  /** The record at an index from 0. Rejects with `KD_DATA` that names file and index. */
  get(index: number): Promise<SourceRecord>;
  /** Frees what the source holds open. */
  close(): Promise<void>;
}
