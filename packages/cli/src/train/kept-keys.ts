/** A set of SHA-256 sums that one thread fills and others look into. */
export interface KeptKeys {
  /** What other threads open it by. */
  readonly memory: SharedArrayBuffer;
  /** False when it is full. */
  add(sha256: string): boolean;
  has(sha256: string): boolean;
}

const WORDS = 4; // 128 bits of each sum

/** Room for so many keys, in 32 bytes each. */
export const keysMemory = (count: number): SharedArrayBuffer =>
  new SharedArrayBuffer(2 ** Math.ceil(Math.log2(2 * Math.max(1, count))) * WORDS * 4);

/** The set in that memory, in any thread; a slot whose first word is 0 is free. */
export function keptKeys(memory: SharedArrayBuffer): KeptKeys {
  const words = new Uint32Array(memory);
  const slots = words.length / WORDS;
  let count = 0;
  const parse = (sha256: string): number[] =>
    Array.from({ length: WORDS }, (_, i) => Number.parseInt(sha256.slice(8 * i, 8 * i + 8), 16) || 1);
  /** Where the key is, or the free slot where it belongs. */
  const find = (key: readonly number[]): { readonly at: number; readonly found: boolean } => {
    for (let slot = (key[0] as number) % slots; ; slot = (slot + 1) % slots) {
      const at = slot * WORDS;
      if (Atomics.load(words, at) === 0) return { at, found: false };
      if (key.every((word, i) => words[at + i] === word)) return { at, found: true };
    }
  };
  return {
    memory,
    has: (sha256) => find(parse(sha256)).found,
    add: (sha256) => {
      const key = parse(sha256);
      const { at, found } = find(key);
      if (found) return true;
      if (count >= slots / 2) return false;
      count++;
      for (let i = 1; i < WORDS; i++) words[at + i] = key[i] as number;
      Atomics.store(words, at, key[0] as number); // last: whoever sees it sees the whole key
      return true;
    },
  };
}
