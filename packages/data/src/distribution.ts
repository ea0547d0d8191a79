/** How a count is spread over records. */
export interface Distribution {
  readonly count: number;
  readonly min: number;
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly mean: number;
  /** Records with `from` ≤ value < `to`; widths double. */
  readonly histogram: readonly { readonly from: number; readonly to: number; readonly count: number }[];
}

/** Describes whole numbers from 0; quantiles are values that occur. */
export function distribution(values: readonly number[]): Distribution {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const bins = new Map<number, number>();
  for (const value of sorted) {
    const bin = value < 1 ? 0 : Math.floor(Math.log2(value)) + 1;
    bins.set(bin, (bins.get(bin) ?? 0) + 1);
  }
  const first = Math.min(...bins.keys());
  const last = Math.max(...bins.keys());
  const histogram = Array.from({ length: bins.size === 0 ? 0 : last - first + 1 }, (_, i) => ({
    from: first + i === 0 ? 0 : 2 ** (first + i - 1),
    to: 2 ** (first + i),
    count: bins.get(first + i) ?? 0,
  }));
  const mean = sorted.length === 0 ? 0 : sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return {
    count: sorted.length,
    min: at(0),
    median: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: at(1),
    mean,
    histogram,
  };
}
