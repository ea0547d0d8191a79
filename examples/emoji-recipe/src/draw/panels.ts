import { parseHTML } from "linkedom";

export const document: Document = parseHTML("<!doctype html><html><body></body></html>")
  .document as unknown as Document;

/** Parts of a picture at their places, as one SVG on white. */
export function panels(
  [width, height]: readonly [number, number],
  parts: readonly { readonly x: number; readonly y: number; readonly svg: string }[],
): string {
  const placed = parts.map(({ x, y, svg }) => `<g transform="translate(${x} ${y})">${svg}</g>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>${placed.join("")}</svg>\n`;
}

interface LineOptions {
  readonly x?: number;
  readonly y?: number;
  readonly size?: number;
  readonly weight?: number;
}

/** A line of text. */
export const line = (text: string, { x = 0, y = 0, size = 12, weight = 400 }: LineOptions = {}): string =>
  `<text x="${x}" y="${y}" font-size="${size}" font-weight="${weight}" fill="#222">${text}</text>`;
