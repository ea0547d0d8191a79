import { KdError } from "@kd/contract";
import { groupOf, kindOf } from "./classes.ts";
import type { Concept } from "./concepts.ts";
import { type Lexicon, nameOf } from "./lexicon.ts";
import { pick, type Rng } from "./random.ts";
import { isPlural, withArticle } from "./words.ts";

/** A question and its answer, in lower-case words and marks separated by spaces. */
export interface Turn {
  readonly question: string;
  readonly answer: string;
}

/** What is asked; a caption answers no question. */
export type Task = "name" | "group" | "kind" | "colour" | "presence" | "count" | "caption";

/** What is known of one drawing: its concept and, where it has one, its main colour. */
export interface Subject {
  readonly concept: Concept;
  readonly colour: string | undefined;
}

/** Share of presence questions whose absent thing is of the same subgroup, in training. */
export const ADVERSARIAL = 0.4;

const ASK = {
  name: ["what is this ?", "what does the picture show ?", "name the thing in the picture ."],
  group: ["which category does this belong to ?", "what category is the image ?"],
  kind: ["what kind of thing is it ?", "what type of thing is this ?"],
  colour: ["what is the main color ?", "what color is it mostly ?"],
  count: ["how many things are in the image ?", "how many objects are there ?"],
} as const;
const NUMBERS = ["one", "two", "three", "four"];

/** A question of one of these kinds, or nothing where metadata or pixels hold no answer. */
export function ask(
  task: "name" | "group" | "kind" | "colour",
  { concept, colour }: Subject,
  rng: Rng,
): Turn | undefined {
  const question = pick(ASK[task], rng);
  const answers = { name: nameOf(concept), group: groupOf(concept), kind: kindOf(concept), colour };
  const answer = answers[task];
  return answer === undefined ? undefined : { question, answer };
}

/** How many objects a scene of one to four shows. */
export function askCount(objects: number, rng: Rng): Turn {
  const answer = NUMBERS[objects - 1];
  if (!answer) throw new KdError("KD_DATA", `askCount: expected 1 to 4 objects, got ${objects}; fill 1 to 4 cells`);
  return { question: pick(ASK.count, rng), answer };
}

/** Whether a concept is in the picture; the absent one is any core train concept or, adversarially, one of the same subgroup. */
export function askPresence(
  { concept }: Subject,
  { lexicon, present, adversarial }: { lexicon: Lexicon; present: boolean; adversarial: boolean },
  rng: Rng,
): Turn {
  const noun = nameOf(present ? concept : absentConcept(concept, { lexicon, adversarial }, rng));
  const verb = isPlural(noun) ? "are" : "is";
  return { question: `${verb} there ${withArticle(noun)} in the image ?`, answer: present ? "yes" : "no" };
}

/** A train concept that the picture does not show, whatever one calls it. */
function absentConcept(
  concept: Concept,
  { lexicon, adversarial }: { lexicon: Lexicon; adversarial: boolean },
  rng: Rng,
): Concept {
  const near = adversarial ? (lexicon.bySubgroup.get(concept.subgroup) ?? []) : [];
  const others = near.filter((other) => isOther(other, concept));
  if (others.length > 0) return pick(others, rng);
  let other = pick(lexicon.concepts, rng);
  while (!isOther(other, concept)) other = pick(lexicon.concepts, rng);
  return other;
}

/** Another family, and neither name contains the other: a dog face does show a dog. */
function isOther(a: Concept, b: Concept): boolean {
  if (a.family === b.family) return false;
  const [x, y] = [` ${nameOf(a)} `, ` ${nameOf(b)} `];
  return !x.includes(y) && !y.includes(x);
}

/** Words and marks that questions and answers need beside the lexicon's. */
export const QUESTION_WORDS: readonly string[] = [
  ...new Set(`${Object.values(ASK).flat().join(" ")} ${NUMBERS.join(" ")} is are there a an in yes no`.split(" ")),
];
