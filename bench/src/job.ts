import { peakMib } from "./memory.ts";

/** What is timed: one `run` is one sample. */
export interface Job {
  /** Name in tables; a peer's job of the same name is compared with it. */
  readonly what: string;
  /** The work; gives the loss back, 0 where there is none. */
  readonly run: () => Promise<number>;
  /** A run's milliseconds are divided by it: the tokens of a generation. @defaultValue 1 */
  readonly per?: number;
  /** More for the JSON object. */
  readonly facts: Readonly<Record<string, string | number>>;
}

/** What a worker answers: samples of some runs, and the process's memory after them. */
export interface Samples {
  readonly ms: readonly number[];
  readonly loss: number;
  readonly peak_mib: number;
}

export async function sample({ run, per = 1 }: Job, count: number): Promise<Samples> {
  const ms: number[] = [];
  let loss = 0;
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    loss = await run();
    ms.push((performance.now() - started) / per);
  }
  return { ms, loss, peak_mib: peakMib() };
}

/** Linear between order statistics; `p` from 0 to 1. */
export function quantile(values: readonly number[], p: number): number {
  const ordered = values.toSorted((a, b) => a - b);
  const place = (ordered.length - 1) * p;
  const low = ordered[Math.floor(place)] as number;
  const high = ordered[Math.ceil(place)] as number;
  return low + (high - low) * (place - Math.floor(place));
}
