/** One decimal, or a dash where nothing was measured. */
export function oneDecimal(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(1);
}

/** Four significant digits, or a dash. */
export function short(value: unknown): string {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}
