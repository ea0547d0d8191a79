import { caption } from "./captions.ts";
import { groupOf, kindOf } from "./classes.ts";
import { COLOURS } from "./colour.ts";
import { type Lexicon, nameOf } from "./lexicon.ts";
import { ADVERSARIAL, ask, askPresence, type Subject, type Task, type Turn } from "./questions.ts";
import { pick, type Rng, shuffled } from "./random.ts";
import { words } from "./words.ts";

/** Text to teach a language model alone: words where image tokens will stand, then a turn or a caption (no question). */
export interface BaseText extends Turn {
  /** 16 words. */
  readonly context: readonly string[];
  readonly task: Task;
}

const CONTEXT = 16;
const CAPTIONS = 0.3;
const TASKS = ["name", "name", "kind", "kind", "group", "colour", "presence", "presence", "presence"] as const;

/** A fresh sample about one core train concept; its colour is made up, and asked for only when the context tells it. */
export function baseTextSample(lexicon: Lexicon, rng: Rng): BaseText {
  const concept = pick(lexicon.concepts, rng);
  const colour = pick(COLOURS, rng);
  const tags = shuffled(lexicon.tagWords.get(concept.hex) ?? [], rng).slice(0, 1 + rng.int(6));
  const told = [
    ...(rng.next() < 0.6 ? words(nameOf(concept)) : []),
    ...tags,
    ...(rng.next() < 0.7 ? [colour] : []),
    ...(rng.next() < 0.4 ? words(kindOf(concept) ?? "") : []),
    ...(rng.next() < 0.2 ? words(groupOf(concept)) : []),
  ];
  const context = repeatTo(CONTEXT, shuffled(told.length > 0 ? told : words(nameOf(concept)), rng), rng);
  const subject = { concept, colour: context.includes(colour) ? colour : undefined };
  const task = rng.next() < CAPTIONS ? "caption" : pick(TASKS, rng);
  const turn = task === "caption" ? undefined : turnOf(task, subject, lexicon, rng);
  if (turn) return { context, task, ...turn };
  return { context, task: "caption", question: "", answer: caption(subject, lexicon, rng) };
}

function turnOf(task: (typeof TASKS)[number], subject: Subject, lexicon: Lexicon, rng: Rng): Turn | undefined {
  if (task !== "presence") return ask(task, subject, rng);
  const options = { lexicon, present: rng.next() < 0.5, adversarial: rng.next() < ADVERSARIAL };
  return askPresence(subject, options, rng);
}

/** At most `length` items, some repeated beside themselves until there are as many. */
function repeatTo<T>(length: number, items: readonly T[], rng: Rng): T[] {
  const kept = items.slice(0, length);
  const places = kept.map((_, i) => i);
  while (places.length < length) places.push(rng.int(kept.length));
  return places.sort((a, b) => a - b).map((i) => kept[i] as T);
}
