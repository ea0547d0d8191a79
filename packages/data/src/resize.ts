import { KdError } from "@kd/contract";
import type { RgbImage } from "./image.ts";

type Filter = "bicubic" | "bilinear";
const BITS = 22;
const SUPPORT: Record<Filter, number> = { bicubic: 2, bilinear: 1 };

function weight(filter: Filter, at: number): number {
  const x = Math.abs(at);
  if (filter === "bilinear") return x < 1 ? 1 - x : 0;
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** Fixed-point weights of one output coordinate; the kernel widens by the scale when shrinking. */
function taps(from: number, to: number, at: number, filter: Filter): { first: number; weights: number[] } {
  const scale = from / to;
  const widen = Math.max(scale, 1);
  const center = (at + 0.5) * scale;
  const reach = SUPPORT[filter] * widen;
  const first = Math.max(0, Math.trunc(center - reach + 0.5));
  const end = Math.min(from, Math.trunc(center + reach + 0.5));
  const raw: number[] = [];
  for (let i = first; i < end; i++) raw.push(weight(filter, (i - center + 0.5) * (1 / widen)));
  const total = raw.reduce((sum, w) => sum + w, 0);
  return { first, weights: raw.map((w) => Math.trunc((w / total) * 2 ** BITS + (w < 0 ? -0.5 : 0.5))) };
}

/** Resamples the middle axis of `[outer, from, inner]`, rounding and clipping to 8 bits. */
function pass(source: Uint8Array, outer: number, from: number, to: number, inner: number, filter: Filter): Uint8Array {
  if (from === to) return source;
  const out = new Uint8Array(outer * to * inner);
  for (let t = 0; t < to; t++) {
    const { first, weights } = taps(from, to, t, filter);
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) {
        let sum = 1 << (BITS - 1);
        for (let k = 0; k < weights.length; k++)
          sum += (weights[k] as number) * (source[(o * from + first + k) * inner + i] as number);
        out[(o * to + t) * inner + i] = Math.min(255, Math.max(0, sum >> BITS));
      }
  }
  return out;
}

/** Resizes as Pillow does, to the bit: antialiased, horizontal pass first. `filter` defaults to bicubic, as SigLIP's processor. */
export function resize(
  image: RgbImage,
  { width, height, filter = "bicubic" }: { width: number; height: number; filter?: Filter },
): RgbImage {
  if (![width, height].every((side) => Number.isInteger(side) && side > 0))
    throw new KdError(
      "KD_DATA",
      `resize: expected positive whole sizes, got ${width}x${height}; check width and height`,
    );
  const rows = pass(image.data, image.height, image.width, width, 3, filter);
  return { data: pass(rows, 1, image.height, height, width * 3, filter), width, height };
}
