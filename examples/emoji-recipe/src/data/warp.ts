import type { Canvas } from "./canvas.ts";
import { PIXELS } from "./rasterise.ts";

/** Where each output pixel looks in its input. */
export interface Warp {
  /** Above 1 the drawing gets smaller. */
  readonly scale: number;
  /** Radians. */
  readonly angle: number;
  /** Half-widths of the picture that the drawing moves left. */
  readonly left: number;
  /** Half-heights of the picture that the drawing moves up. */
  readonly up: number;
}

const ROW = PIXELS * 4;

/** A canvas scaled, turned and shifted about its middle; bilinear, transparent outside. */
export function warp(canvas: Canvas, { scale, angle, left, up }: Warp): Canvas {
  const out = new Float32Array(canvas.length);
  const cos = scale * Math.cos(angle);
  const sin = scale * Math.sin(angle);
  const middle = (PIXELS - 1) / 2;
  const middleX = middle + (left * PIXELS) / 2;
  const middleY = middle + (up * PIXELS) / 2;
  for (let y = 0; y < PIXELS; y++)
    for (let x = 0; x < PIXELS; x++) {
      const fromX = cos * (x - middle) - sin * (y - middle) + middleX;
      const fromY = sin * (x - middle) + cos * (y - middle) + middleY;
      const x0 = Math.floor(fromX);
      const y0 = Math.floor(fromY);
      const to = y * ROW + x * 4;
      const right = fromX - x0;
      const below = fromY - y0;
      add(canvas, x0, y0, (1 - right) * (1 - below), out, to);
      add(canvas, x0 + 1, y0, right * (1 - below), out, to);
      add(canvas, x0, y0 + 1, (1 - right) * below, out, to);
      add(canvas, x0 + 1, y0 + 1, right * below, out, to);
    }
  return out;
}

function add(canvas: Canvas, x: number, y: number, weight: number, out: Canvas, to: number): void {
  if (x < 0 || y < 0 || x >= PIXELS || y >= PIXELS || weight === 0) return;
  const from = y * ROW + x * 4;
  for (let c = 0; c < 4; c++) out[to + c] = (out[to + c] as number) + weight * (canvas[from + c] as number);
}
