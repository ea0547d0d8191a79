import { KdError } from "@kd/contract";
import { PIXELS } from "./rasterise.ts";

/** What has pixels to show: 48×48×4 bytes of straight RGBA. */
export interface Drawn {
  readonly rgba: Uint8Array;
}

/** 48×48×4 floats in [0, 1], colour already multiplied by alpha, so that pixels can be averaged. */
export type Canvas = Float32Array;

/** One drawing as a canvas. */
export function canvasOf({ rgba }: Drawn): Canvas {
  const canvas = new Float32Array(rgba.length);
  for (let p = 0; p < rgba.length; p += 4) {
    const alpha = (rgba[p + 3] as number) / 255;
    for (let c = 0; c < 3; c++) canvas[p + c] = ((rgba[p + c] as number) / 255) * alpha;
    canvas[p + 3] = alpha;
  }
  return canvas;
}

/** Up to four drawings at half size: top left, top right, bottom left, bottom right; null leaves a corner empty. */
export function sceneCanvas(cells: readonly (Drawn | null)[]): Canvas {
  if (cells.length !== 4)
    throw new KdError("KD_DATA", `scene: expected 4 cells, got ${cells.length}; write null where a corner is empty`);
  const canvas = new Float32Array(PIXELS * PIXELS * 4);
  const half = PIXELS / 2;
  for (const [place, cell] of cells.entries()) {
    if (!cell) continue;
    const from = canvasOf(cell);
    const left = (place % 2) * half;
    const top = (place >> 1) * half;
    for (let y = 0; y < half; y++)
      for (let x = 0; x < half; x++)
        for (let c = 0; c < 4; c++) {
          const at = (2 * y * PIXELS + 2 * x) * 4 + c;
          const below = at + PIXELS * 4;
          const upper = (from[at] as number) + (from[at + 4] as number);
          const lower = (from[below] as number) + (from[below + 4] as number);
          canvas[((top + y) * PIXELS + left + x) * 4 + c] = (upper + lower) / 4;
        }
  }
  return canvas;
}

/** Lays a canvas on a background (red, green, blue in [0, 1]): 48×48×3 in [-1, 1], channels last. */
export function flatten(canvas: Canvas, background: readonly [number, number, number]): Float32Array {
  const pixels = new Float32Array((canvas.length / 4) * 3);
  for (let p = 0, q = 0; p < canvas.length; p += 4, q += 3) {
    const through = 1 - (canvas[p + 3] as number);
    for (let c = 0; c < 3; c++)
      pixels[q + c] = 2 * ((canvas[p + c] as number) + (background[c] as number) * through) - 1;
  }
  return pixels;
}
