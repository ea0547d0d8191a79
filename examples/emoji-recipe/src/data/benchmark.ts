import { createRng } from "@kd/tensor-core";
import { type Cell, type Gallery, type GalleryPicture, picturesIn } from "./gallery.ts";
import { nearDuplicates } from "./near-duplicates.ts";
import { ask, askCount, askPresence, type Task, type Turn } from "./questions.ts";
import type { Rng } from "./random.ts";
import { drawingsOf, objectsIn, randomScene } from "./scenes.ts";

/** One question of the benchmark. `image` is a picture's id or a scene's key. */
export interface BenchmarkRow extends Turn {
  readonly id: string;
  readonly image: string;
  readonly task: Exclude<Task, "caption" | "presence"> | "presence_random" | "presence_adversarial";
  readonly cell: Exclude<Cell, "train">;
}

const SEED = 5;
const SCENES = 400;
const CELLS = ["val_concept", "test_vendor", "test_vendor_2", "unseen_concept"] as const;

/**
 * Every question of the benchmark, always the same: known concepts drawn by unseen vendors with all tasks, unseen
 * concepts with those whose answers are known. Pictures that nearly equal one of the full train pool are left out.
 */
export function benchmark(gallery: Gallery): BenchmarkRow[] {
  const near = new Set(
    nearDuplicates(
      CELLS.flatMap((cell) => picturesIn(gallery, cell)),
      picturesIn(gallery, "train", "full"),
    ),
  );
  return CELLS.flatMap((cell) => {
    const kept = picturesIn(gallery, cell).filter((picture) => !near.has(picture));
    const rng = createRng(SEED).fork(cell);
    const isKnown = cell === "test_vendor" || cell === "test_vendor_2";
    const questions = kept.flatMap((picture) =>
      isKnown ? knownConcept(picture, gallery, rng) : unknownConcept(picture, rng),
    );
    const drafts = isKnown ? [...questions, ...scenes(gallery, kept, rng)] : questions;
    return drafts.map((draft, i) => ({ id: `${cell}/${i}`, cell, ...draft }));
  });
}

type Draft = Omit<BenchmarkRow, "id" | "cell">;

function asked(task: "name" | "group" | "kind" | "colour", picture: GalleryPicture, rng: Rng): Draft[] {
  const turn: Turn | undefined = ask(task, picture, rng);
  return turn ? [{ image: picture.id, task, ...turn }] : [];
}

function knownConcept(picture: GalleryPicture, { lexicon }: Gallery, rng: Rng): Draft[] {
  const rows = (["name", "group", "kind", "colour"] as const).flatMap((task) => asked(task, picture, rng));
  for (const task of ["presence_random", "presence_adversarial"] as const)
    for (const present of [false, true]) {
      const options = { lexicon, present, adversarial: task === "presence_adversarial" };
      rows.push({ image: picture.id, task, ...askPresence(picture, options, rng) });
    }
  return rows;
}

function unknownConcept(picture: GalleryPicture, rng: Rng): Draft[] {
  return (["group", "kind", "colour"] as const).flatMap((task) => asked(task, picture, rng));
}

function scenes(gallery: Gallery, pictures: readonly GalleryPicture[], rng: Rng): Draft[] {
  return Array.from({ length: SCENES }, () => {
    const image = randomScene(pictures, rng);
    return { image, task: "count", ...askCount(objectsIn(drawingsOf(gallery, image)), rng) };
  });
}
