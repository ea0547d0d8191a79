/** The part of a seeded generator that data needs. */
export interface Rng {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, n). */
  int(n: number): number;
  normal(): number;
}

/** One item, each as likely. The list must not be empty. */
export function pick<T>(items: readonly T[], rng: Rng): T {
  return items[rng.int(items.length)] as T;
}

/** A new list in random order. */
export function shuffled<T>(items: readonly T[], rng: Rng): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const at = rng.int(i + 1);
    [out[i], out[at]] = [out[at] as T, out[i] as T];
  }
  return out;
}

/** Uniform in [low, high). */
export function uniform(low: number, high: number, rng: Rng): number {
  return low + (high - low) * rng.next();
}
