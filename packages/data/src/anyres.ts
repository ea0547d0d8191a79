import { cropAt } from "./crop.ts";
import type { RgbImage } from "./image.ts";
import { type ResizeFilter, resize } from "./resize.ts";

type Grid = readonly [height: number, width: number];

/** LLaVA's `select_best_resolution`: the grid that keeps most of the picture, and of those the one that wastes least. */
export function bestGrid({ width, height }: { width: number; height: number }, grids: readonly Grid[]): Grid {
  let best = grids[0] as Grid;
  let mostKept = 0;
  let leastWasted = Number.POSITIVE_INFINITY;
  for (const grid of grids) {
    const scale = Math.min(grid[1] / width, grid[0] / height);
    const kept = Math.min(Math.trunc(width * scale) * Math.trunc(height * scale), width * height);
    const wasted = grid[0] * grid[1] - kept;
    if (kept > mostKept || (kept === mostKept && wasted < leastWasted)) {
      best = grid;
      mostKept = kept;
      leastWasted = wasted;
    }
  }
  return best;
}

/** The picture on a black grid of tiles, resized to fit and centred, tile by tile in reading order. */
export function gridTiles(
  image: RgbImage,
  grid: Grid,
  { height, width, filter }: { height: number; width: number; filter: ResizeFilter },
): RgbImage[] {
  const [gridHeight, gridWidth] = grid;
  const scales = [gridWidth / image.width, gridHeight / image.height] as const;
  const wide = scales[0] < scales[1];
  const fitted = resize(image, {
    width: wide ? gridWidth : Math.min(Math.ceil(image.width * scales[1]), gridWidth),
    height: wide ? Math.min(Math.ceil(image.height * scales[0]), gridHeight) : gridHeight,
    filter,
  });
  const left = Math.floor((gridWidth - fitted.width) / 2);
  const top = Math.floor((gridHeight - fitted.height) / 2);
  const tiles: RgbImage[] = [];
  for (let y = 0; y < gridHeight; y += height)
    for (let x = 0; x < gridWidth; x += width)
      tiles.push(cropAt(fitted, { left: x - left, top: y - top, width, height }));
  return tiles;
}
