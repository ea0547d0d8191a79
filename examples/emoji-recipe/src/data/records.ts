import { createRng } from "@kd/tensor-core";
import { caption } from "./captions.ts";
import { type Gallery, picturesIn } from "./gallery.ts";
import { ADVERSARIAL, ask, askCount, askPresence, type Task, type Turn } from "./questions.ts";
import type { Rng } from "./random.ts";
import { drawingsOf, objectsIn, randomScene } from "./scenes.ts";

/** One image with one turn. `image` is a picture's id or a scene's key; a caption's `question` is empty. */
export interface EmojiRecord extends Turn {
  readonly id: string;
  readonly image: string;
  readonly task: Task;
}

const TURNS = { name: 2, kind: 2, group: 1, colour: 1 } as const;
const PRESENCE_TURNS = 4; // half of them yes
const CAPTIONS = 3;
const SCENES = 2000;
const SCENE_SEED = 1;

/** The student's questions: eight to ten a train picture of the core pool and one a scene, the same for the same seed. */
export function studentRecords(gallery: Gallery, seed: number): EmojiRecord[] {
  return numbered(`student-${seed}`, questions(gallery, createRng(seed).fork("questions")));
}

/** Three captions a train picture of the core pool, the same for the same seed. */
export function captionRecords(gallery: Gallery, seed: number): EmojiRecord[] {
  return numbered(`captions-${seed}`, captions(gallery, CAPTIONS, createRng(seed).fork("captions")));
}

/** The teacher's records of an epoch: the student's mix, drawn afresh every epoch, with a caption a picture. */
export function teacherRecords(gallery: Gallery, seed: number, epoch: number): EmojiRecord[] {
  const rng = createRng(seed).fork(`teacher ${epoch}`);
  return numbered(`teacher-${seed}.${epoch}`, [...questions(gallery, rng), ...captions(gallery, 1, rng)]);
}

type Draft = Omit<EmojiRecord, "id">;

function numbered(prefix: string, drafts: Draft[]): EmojiRecord[] {
  return drafts.map((draft, i) => ({ id: `${prefix}/${i}`, ...draft }));
}

function questions(gallery: Gallery, rng: Rng): Draft[] {
  const drafts: Draft[] = [];
  for (const picture of picturesIn(gallery, "train")) {
    const add = (task: Task, turn: Turn | undefined): void => {
      if (turn) drafts.push({ image: picture.id, task, ...turn });
    };
    for (const task of ["name", "kind", "group", "colour"] as const)
      for (let n = 0; n < TURNS[task]; n++) add(task, ask(task, picture, rng));
    for (let n = 0; n < PRESENCE_TURNS; n++) {
      const adversarial = rng.next() < ADVERSARIAL;
      add("presence", askPresence(picture, { lexicon: gallery.lexicon, present: n % 2 === 0, adversarial }, rng));
    }
  }
  for (const image of trainScenes(gallery))
    drafts.push({ image, task: "count", ...askCount(objectsIn(drawingsOf(gallery, image)), rng) });
  return drafts;
}

function captions(gallery: Gallery, each: number, rng: Rng): Draft[] {
  return picturesIn(gallery, "train").flatMap((picture) =>
    Array.from({ length: each }, () => ({
      image: picture.id,
      task: "caption" as const,
      question: "",
      answer: caption(picture, gallery.lexicon, rng),
    })),
  );
}

/** The scenes are the same for every seed, so that their features can be kept. */
function trainScenes(gallery: Gallery): string[] {
  const rng = createRng(SCENE_SEED);
  const pictures = picturesIn(gallery, "train");
  return Array.from({ length: SCENES }, () => randomScene(pictures, rng));
}
