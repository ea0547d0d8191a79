import { ENTRY, keyAt, type Place, placeAt, writeEntry } from "./index-entry.ts";

/** Where an entry lies: in which pair of files, and where there. */
export interface Found extends Place {
  readonly shard: number;
}

/** Places by key, in 60 to 110 bytes an entry: objects in a Map take 400. */
export interface EntryTable {
  /** Entries that are there. */
  count(): number;
  get(key: Buffer): Found | undefined;
  /** The last one put under a key counts: it may stand for a damaged one. */
  put(key: Buffer, place: Found): void;
  delete(key: Buffer): void;
  /** Keys of the entries that are there; each valid until the next. */
  keys(): IterableIterator<Buffer>;
}

const GONE = -1;

/** An empty table. Keys are hashes: their first word is as good as any. */
export function createEntryTable(): EntryTable {
  let entries = Buffer.alloc(64 * ENTRY); // as in an index file
  let shards = new Int32Array(64); // of each entry; GONE for a deleted one
  let slots = new Int32Array(128); // number of an entry and 1, at its key's first word or after it; 0 is free
  let [used, count] = [0, 0];
  /** Of the key, or where it belongs. */
  const slotOf = (key: Buffer): number => {
    const mask = slots.length - 1;
    let slot = key.readInt32LE(0) & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const at = ((slots[slot] as number) - 1) * ENTRY;
      if (entries.compare(key, 0, key.length, at, at + key.length) === 0) break;
    }
    return slot;
  };
  const grow = (): void => {
    entries = Buffer.concat([entries], 2 * entries.length);
    const more = new Int32Array(2 * shards.length);
    more.set(shards);
    shards = more;
    slots = new Int32Array(2 * slots.length);
    for (let i = 0; i < used; i++) slots[slotOf(keyAt(entries, i * ENTRY))] = i + 1;
  };
  const numberOf = (key: Buffer): number => (slots[slotOf(key)] as number) - 1;
  return {
    count: () => count,
    get: (key) => {
      const i = numberOf(key);
      return i < 0 || shards[i] === GONE ? undefined : { ...placeAt(entries, i * ENTRY), shard: shards[i] as number };
    },
    put: (key, { shard, ...place }) => {
      let i = numberOf(key);
      if (i < 0) {
        if (used === shards.length) grow();
        i = used++;
        slots[slotOf(key)] = i + 1;
        count++;
      } else if (shards[i] === GONE) count++;
      writeEntry(entries, i * ENTRY, { key, ...place });
      shards[i] = shard;
    },
    delete: (key) => {
      const i = numberOf(key);
      if (i < 0 || shards[i] === GONE) return;
      shards[i] = GONE;
      count--;
    },
    keys: function* () {
      for (let i = 0; i < used; i++) if (shards[i] !== GONE) yield keyAt(entries, i * ENTRY);
    },
  };
}
