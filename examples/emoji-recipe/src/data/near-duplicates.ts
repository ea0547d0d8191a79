import { canvasOf, type Drawn, flatten } from "./canvas.ts";
import { PIXELS } from "./rasterise.ts";

const SAME_PICTURE = 10; // mean absolute difference, in 0…255, up to which two pictures count as one
const ROUNDING = 1e-3; // float32 means of equal areas differ by less
const SIDE = 32;
const BLOCKS = 4; // block means never differ by more than the pixels do, so they rule most pairs out

/** The pictures whose mean absolute difference from any of `references` is at most 10 of 255, at 32×32 RGB on white. */
export function nearDuplicates<T extends Drawn>(pictures: readonly T[], references: readonly Drawn[]): T[] {
  const known = references.map(sketch);
  return pictures.filter((picture) => {
    const own = sketch(picture);
    return known.some((other) => isNear(own.means, other.means) && isNear(own.pixels(), other.pixels()));
  });
}

interface Sketch {
  readonly means: Float32Array;
  readonly pixels: () => Float32Array;
}

function sketch(picture: Drawn): Sketch {
  let pixels: Float32Array | undefined;
  return {
    means: areaResize(onWhite(picture), BLOCKS),
    pixels: () => {
      pixels ??= areaResize(onWhite(picture), SIDE);
      return pixels;
    },
  };
}

function onWhite(picture: Drawn): Float32Array {
  return flatten(canvasOf(picture), [1, 1, 1]);
}

/** Of values in [-1, 1]; gives up as soon as the answer is known. */
function isNear(a: Float32Array, b: Float32Array): boolean {
  const limit = ((SAME_PICTURE + ROUNDING) / 127.5) * a.length;
  let sum = 0;
  for (let i = 0; i < a.length && sum <= limit; i++) sum += Math.abs((a[i] as number) - (b[i] as number));
  return sum <= limit;
}

/** Each output pixel is the mean of the area that it covers; 48×48 RGB to a smaller square. */
function areaResize(input: Float32Array, side: number): Float32Array {
  const out = new Float32Array(side * side * 3);
  const ratio = PIXELS / side;
  const spans = Array.from({ length: side }, (_, o) => span(o * ratio, (o + 1) * ratio));
  for (const [y, rows] of spans.entries())
    for (const [x, columns] of spans.entries())
      for (const row of rows)
        for (const column of columns) {
          const weight = row.share * column.share;
          const from = (row.at * PIXELS + column.at) * 3;
          const to = (y * side + x) * 3;
          for (let c = 0; c < 3; c++) out[to + c] = (out[to + c] as number) + weight * (input[from + c] as number);
        }
  return out;
}

/** The pixels that an interval covers and their shares of it. */
function span(start: number, end: number): { at: number; share: number }[] {
  const first = Math.floor(start);
  return Array.from({ length: Math.ceil(end) - first }, (_, i) => {
    const at = first + i;
    return { at, share: (Math.min(at + 1, end) - Math.max(at, start)) / (end - start) };
  });
}
