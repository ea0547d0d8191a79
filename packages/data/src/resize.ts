import { KdError } from "@kd/contract";
import { type Filter, filters } from "./filters.ts";
import { checkPixels, type RgbImage } from "./image.ts";

/** Pillow's filters. */
export type ResizeFilter = Filter | "nearest";

const BITS = 22;
const HALF = 1 << (BITS - 1);

/** Fixed-point weights of all output coordinates in flat arrays: `counts[t]` of them from `t · width` on, for pixels from `firsts[t]` on. */
interface Taps {
  readonly firsts: Int32Array;
  readonly counts: Int32Array;
  readonly weights: Int32Array;
  readonly width: number;
}

function taps(from: number, to: number, filter: Filter): Taps {
  const { support, weight } = filters[filter];
  const scale = from / to;
  const widen = Math.max(scale, 1); // the kernel widens by the scale when shrinking
  const reach = support * widen;
  const width = Math.ceil(reach) * 2 + 1;
  const firsts = new Int32Array(to);
  const counts = new Int32Array(to);
  const weights = new Int32Array(to * width);
  const raw = new Float64Array(width);
  for (let t = 0; t < to; t++) {
    const center = (t + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + 0.5));
    const count = Math.min(from, Math.trunc(center + reach + 0.5)) - first;
    let total = 0;
    for (let k = 0; k < count; k++) {
      raw[k] = weight((first + k - center + 0.5) * (1 / widen));
      total += raw[k] as number;
    }
    for (let k = 0; k < count; k++) {
      const share = total === 0 ? (raw[k] as number) : (raw[k] as number) / total;
      weights[t * width + k] = Math.trunc(share * 2 ** BITS + (share < 0 ? -0.5 : 0.5));
    }
    firsts[t] = first;
    counts[t] = count;
  }
  return { firsts, counts, weights, width };
}

/** One output pixel, at `o`: the weighted sum of pixels from `s` on, `stride` bytes apart, rounded and clipped to 8 bits. */
function mix(
  out: Uint8ClampedArray,
  o: number,
  source: Uint8Array,
  s: number,
  stride: number,
  weights: Int32Array,
  start: number,
  end: number,
): void {
  let red = HALF;
  let green = HALF;
  let blue = HALF;
  for (let k = start, at = s; k < end; k++, at += stride) {
    const w = weights[k] as number;
    red = (red + Math.imul(w, source[at] as number)) | 0;
    green = (green + Math.imul(w, source[at + 1] as number)) | 0;
    blue = (blue + Math.imul(w, source[at + 2] as number)) | 0;
  }
  out[o] = red >> BITS;
  out[o + 1] = green >> BITS;
  out[o + 2] = blue >> BITS;
}

/** `[height, from, 3]` to `[height, to, 3]`. */
function horizontal(source: Uint8Array, height: number, from: number, to: number, filter: Filter): Uint8Array {
  const { firsts, counts, weights, width } = taps(from, to, filter);
  const out = new Uint8ClampedArray(height * to * 3);
  for (let y = 0, o = 0; y < height; y++)
    for (let t = 0; t < to; t++, o += 3) {
      const s = (y * from + (firsts[t] as number)) * 3;
      mix(out, o, source, s, 3, weights, t * width, t * width + (counts[t] as number));
    }
  return new Uint8Array(out.buffer);
}

/** `[from, columns, 3]` to `[to, columns, 3]`. */
function vertical(source: Uint8Array, columns: number, from: number, to: number, filter: Filter): Uint8Array {
  const { firsts, counts, weights, width } = taps(from, to, filter);
  const out = new Uint8ClampedArray(to * columns * 3);
  for (let t = 0, o = 0; t < to; t++)
    for (let x = 0; x < columns; x++, o += 3) {
      const s = ((firsts[t] as number) * columns + x) * 3;
      mix(out, o, source, s, columns * 3, weights, t * width, t * width + (counts[t] as number));
    }
  return new Uint8Array(out.buffer);
}

/** Pillow's NEAREST: the pixel under each centre, found by adding up steps as Pillow does. */
function nearest({ data, width: fromWidth, height: fromHeight }: RgbImage, width: number, height: number): Uint8Array {
  const under = (from: number, to: number): Int32Array => {
    let at = (from / to) * 0.5;
    return Int32Array.from({ length: to }, () => {
      const index = Math.trunc(at);
      at += from / to;
      return index;
    });
  };
  const columns = under(fromWidth, width);
  const out = new Uint8Array(width * height * 3);
  let o = 0;
  for (const y of under(fromHeight, height))
    for (const x of columns) for (let c = 0; c < 3; c++) out[o++] = data[(y * fromWidth + x) * 3 + c] as number;
  return out;
}

/**
 * Resizes as Pillow does, to the bit: antialiased, horizontal pass first (Pillow 13 starts with the vertical one where the height shrinks clearly
 * more than the width, which changes single values by 1). `filter` defaults to bicubic, as SigLIP's processor. Throws `KD_DATA`.
 */
export function resize(
  image: RgbImage,
  { width, height, filter = "bicubic" }: { width: number; height: number; filter?: ResizeFilter },
): RgbImage {
  if (![width, height].every((side) => Number.isInteger(side) && side > 0))
    throw new KdError(
      "KD_DATA",
      `resize: expected positive whole sizes, got ${width}x${height}; check width and height`,
    );
  if (image.width < 1 || image.height < 1 || image.data.length !== image.width * image.height * 3)
    throw new KdError(
      "KD_DATA",
      `resize: expected ${image.width}x${image.height} RGB pixels, got ${image.data.length} bytes; pass [height, width, 3]`,
    );
  checkPixels("resize", width, Math.max(height, image.height)); // the horizontal pass keeps the height
  if (filter === "nearest") return { data: nearest(image, width, height), width, height };
  const rows = image.width === width ? image.data : horizontal(image.data, image.height, image.width, width, filter);
  const data = image.height === height ? rows : vertical(rows, width, image.height, height, filter);
  return { data, width, height };
}
