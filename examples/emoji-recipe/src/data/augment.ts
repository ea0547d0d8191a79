import { type Canvas, canvasOf, type Drawn, flatten, sceneCanvas } from "./canvas.ts";
import { type Rng, uniform } from "./random.ts";
import { warp } from "./warp.ts";

const WHITE = [1, 1, 1] as const;
const FIVE_DEGREES = 0.085;

/** A drawing on white: 48×48×3 in [-1, 1], channels last. */
export function plainPixels(picture: Drawn): Float32Array {
  return flatten(canvasOf(picture), WHITE);
}

/** A 2×2 scene on white, as `plainPixels`; null is an empty corner. */
export function scenePixels(cells: readonly (Drawn | null)[]): Float32Array {
  return flatten(sceneCanvas(cells), WHITE);
}

/**
 * A drawing weakly changed: 0.8 to 1.18 of its size, shifted, turned by up to 5°, its colours and brightness scaled, and
 * in 30 % of cases on a light background instead of white. Shape and range as `plainPixels`.
 */
export function augment(picture: Drawn, rng: Rng): Float32Array {
  const scale = Math.exp(uniform(Math.log(0.85), Math.log(1.25), rng));
  const room = Math.max(0, scale - 1) + 0.08; // a smaller drawing has more room to move
  const canvas = warp(canvasOf(picture), {
    scale,
    angle: uniform(-FIVE_DEGREES, FIVE_DEGREES, rng),
    left: uniform(-room, room, rng),
    up: uniform(-room, room, rng),
  });
  const brightness = uniform(0.85, 1.15, rng);
  const gain = (): number => brightness * uniform(0.9, 1.1, rng);
  applyGain(canvas, [gain(), gain(), gain()]);
  const light = (): number => uniform(0.8, 1, rng);
  return flatten(canvas, rng.next() < 0.3 ? [light(), light(), light()] : WHITE);
}

/** A scene weakly changed: shifted by up to 3 % and its brightness scaled, so that every object stays in its corner. */
export function augmentScene(cells: readonly (Drawn | null)[], rng: Rng): Float32Array {
  const shift = (): number => uniform(-0.06, 0.06, rng);
  const canvas = warp(sceneCanvas(cells), { scale: 1, angle: 0, left: shift(), up: shift() });
  const brightness = uniform(0.85, 1.1, rng);
  applyGain(canvas, [brightness, brightness, brightness]);
  return flatten(canvas, WHITE);
}

/** Scales colours in place, clipped at full brightness. */
function applyGain(canvas: Canvas, gain: readonly [number, number, number]): void {
  for (let p = 0; p < canvas.length; p += 4)
    for (let c = 0; c < 3; c++)
      canvas[p + c] = Math.min((canvas[p + c] as number) * (gain[c] as number), canvas[p + 3] as number);
}
