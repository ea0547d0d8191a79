import { KdError } from "@kd/contract";
import type { Drawn } from "./canvas.ts";
import { type Gallery, type GalleryPicture, pictureOf } from "./gallery.ts";
import { pick, type Rng, shuffled } from "./random.ts";

const PREFIX = "scene:";
const REPEATED = 0.25;

/** The key of a random scene: one to four drawings in random corners of a 2×2 grid, a quarter of them repeats. */
export function randomScene(pictures: readonly GalleryPicture[], rng: Rng): string {
  const count = 1 + rng.int(4);
  const cells = ["", "", "", ""];
  let previous: string | undefined;
  for (const place of shuffled([0, 1, 2, 3], rng).slice(0, count)) {
    const { id } = pick(pictures, rng);
    previous = previous && rng.next() < REPEATED ? previous : id;
    cells[place] = previous;
  }
  return PREFIX + cells.join(",");
}

/** The drawings of an image key: one of a picture's id, four corners (null: empty) of a scene's. Throws `KD_DATA`. */
export function drawingsOf(gallery: Gallery, image: string): (GalleryPicture | null)[] {
  if (!image.startsWith(PREFIX)) return [pictureOf(gallery, image)];
  const cells = image.slice(PREFIX.length).split(",");
  if (cells.length !== 4) throw new KdError("KD_DATA", `image "${image}": expected four cells, got ${cells.length}`);
  return cells.map((id) => (id === "" ? null : pictureOf(gallery, id)));
}

/** How many corners of a scene are filled. */
export function objectsIn(cells: readonly (Drawn | null)[]): number {
  return cells.filter((cell) => cell !== null).length;
}
