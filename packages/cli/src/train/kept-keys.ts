import { keyHash } from "@kd/disk-cache/node";

/** What other threads open a set by; plain data. */
export interface KeptMemory {
  readonly words: SharedArrayBuffer;
  /** What stands before a key: the set holds `keyHash(prefix + key)`, as a cache on disk lists them. */
  readonly prefix: string;
}

/** A set of keys that one thread fills and others look into. */
export interface KeptKeys {
  readonly memory: KeptMemory;
  /** False when it is full. */
  add(key: string): boolean;
  /** A key by its hash. */
  addHash(hash: string): boolean;
  has(key: string): boolean;
}

const WORDS = 4; // 128 bits of each hash

/** Room for so many keys, in 32 to 64 bytes each. */
export const keysMemory = (count: number, prefix = ""): KeptMemory => ({
  words: new SharedArrayBuffer(2 ** Math.ceil(Math.log2(2 * Math.max(1, count))) * WORDS * 4),
  prefix,
});

/** The set in that memory, in any thread; a slot whose first word is 0 is free. */
export function keptKeys(memory: KeptMemory): KeptKeys {
  const words = new Uint32Array(memory.words);
  const slots = words.length / WORDS;
  let count = 0;
  const parse = (hash: string): number[] =>
    Array.from({ length: WORDS }, (_, i) => Number.parseInt(hash.slice(8 * i, 8 * i + 8), 16) || 1);
  const hashOf = (key: string): string => keyHash(memory.prefix + key);
  /** Where the key is, or the free slot where it belongs. */
  const find = (key: readonly number[]): { readonly at: number; readonly found: boolean } => {
    for (let slot = (key[0] as number) % slots; ; slot = (slot + 1) % slots) {
      const at = slot * WORDS;
      if (Atomics.load(words, at) === 0) return { at, found: false };
      if (key.every((word, i) => words[at + i] === word)) return { at, found: true };
    }
  };
  const addHash = (hash: string): boolean => {
    const key = parse(hash);
    const { at, found } = find(key);
    if (found) return true;
    if (count >= slots / 2) return false;
    count++;
    for (let i = 1; i < WORDS; i++) words[at + i] = key[i] as number;
    Atomics.store(words, at, key[0] as number); // last: whoever sees it sees the whole key
    return true;
  };
  return { memory, addHash, has: (key) => find(parse(hashOf(key))).found, add: (key) => addHash(hashOf(key)) };
}
