/** The value of each level of a channel; so that a pixel is looked up instead of computed. */
export type LevelTable = readonly Float32Array[];

/** Transformers' arithmetic, step by step in float32: level · factor, − mean, ÷ std. */
export function levelTable(settings: {
  readonly rescaleFactor: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}): LevelTable {
  const { rescaleFactor, mean, std } = settings;
  return mean.map((m, c) =>
    Float32Array.from(
      { length: 256 },
      (_, level) => Math.fround(Math.fround(level * rescaleFactor) - Math.fround(m)) / Math.fround(std[c] as number),
    ),
  );
}

/** `[…, 3]` levels to values. */
export function lookUp(data: Uint8Array, table: LevelTable): Float32Array {
  const [red, green, blue] = table as readonly [Float32Array, Float32Array, Float32Array];
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    out[i] = red[data[i] as number] as number;
    out[i + 1] = green[data[i + 1] as number] as number;
    out[i + 2] = blue[data[i + 2] as number] as number;
  }
  return out;
}
