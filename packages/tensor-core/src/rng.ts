/** A seeded source of randomness. Its state can be saved, so that a resumed run draws the same numbers. */
export interface Rng {
  /** Uniform in [0, 1). */
  next(): number;
  /** Standard normal. */
  normal(): number;
  /** Uniform integer in [0, n). */
  int(n: number): number;
  /** Four unsigned 32-bit words. */
  state(): number[];
  /** An independent stream for a purpose, the same for the same label; this stream does not move. */
  fork(label: string | number): Rng;
}

/** xoshiro128** seeded by splitmix32, as its authors (Blackman and Vigna, 2018) advise. */
export function createRng(seed: number): Rng {
  let word = seed >>> 0;
  const splitmix = (): number => {
    word = (word + 0x9e3779b9) >>> 0;
    let z = word;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  return rngFromState([splitmix(), splitmix(), splitmix(), splitmix()]);
}

/** Continues the stream whose `state()` this is. */
export function rngFromState(state: readonly number[]): Rng {
  const s = Uint32Array.from(state);
  const at = (i: number): number => s[i] as number;
  const rotate = (x: number, k: number): number => ((x << k) | (x >>> (32 - k))) >>> 0;
  const word = (): number => {
    const result = Math.imul(rotate(Math.imul(at(1), 5) >>> 0, 7), 9) >>> 0;
    const t = at(1) << 9;
    s[2] = at(2) ^ at(0);
    s[3] = at(3) ^ at(1);
    s[1] = at(1) ^ at(2);
    s[0] = at(0) ^ at(3);
    s[2] = at(2) ^ t;
    s[3] = rotate(at(3), 11);
    return result;
  };
  const next = (): number => word() / 4294967296;
  return {
    next,
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    int: (n) => Math.floor(next() * n),
    state: () => [...s],
    fork: (label) => {
      let hash = 0x811c9dc5;
      for (const char of `${[...s].join()}:${label}`) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
      return createRng(hash >>> 0);
    },
  };
}
