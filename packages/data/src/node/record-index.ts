/** Where the records of a file lie. Its arrays lie in one shared buffer, so that worker threads read the same copy. */
export interface RecordIndex {
  /** Records. */
  readonly count: number;
  /** First byte of each record. */
  readonly offsets: Float64Array;
  /** Bytes of each record. */
  readonly bytes: Uint32Array;
  /** Words, negative for text only, 0 for a record that cannot be read. */
  readonly words: Int32Array;
  /** The buffer of all three. */
  readonly buffer: SharedArrayBuffer;
}

/** Bytes of one record in an index. */
export const INDEX_BYTES = 16;

/** The index in a buffer of 16 bytes a record: all offsets, then all sizes, then all words. */
export function viewIndex(buffer: SharedArrayBuffer): RecordIndex {
  const count = buffer.byteLength / INDEX_BYTES;
  return {
    count,
    offsets: new Float64Array(buffer, 0, count),
    bytes: new Uint32Array(buffer, 8 * count, count),
    words: new Int32Array(buffer, 12 * count, count),
    buffer,
  };
}

/** Collects records one by one. */
export function indexBuilder(): { add(offset: number, bytes: number, words: number): void; done(): RecordIndex } {
  let [offsets, bytes, words] = [new Float64Array(1024), new Uint32Array(1024), new Int32Array(1024)];
  let count = 0;
  return {
    add: (offset, size, length) => {
      if (count === offsets.length) {
        const [o, b, w] = [offsets, bytes, words];
        [offsets, bytes, words] = [new Float64Array(2 * count), new Uint32Array(2 * count), new Int32Array(2 * count)];
        offsets.set(o);
        bytes.set(b);
        words.set(w);
      }
      offsets[count] = offset;
      bytes[count] = size;
      words[count++] = length;
    },
    done: () => {
      const index = viewIndex(new SharedArrayBuffer(count * INDEX_BYTES));
      index.offsets.set(offsets.subarray(0, count));
      index.bytes.set(bytes.subarray(0, count));
      index.words.set(words.subarray(0, count));
      return index;
    },
  };
}
