import { createTokenizer } from "@kd/data";
import { createRng } from "@kd/tensor-core";
import { expect, test } from "vitest";
import { baseTextSample } from "./base-text.ts";
import { benchmark } from "./benchmark.ts";
import type { Drawn } from "./canvas.ts";
import { isCore } from "./concepts.ts";
import { type Cell, type GalleryPicture, openGallery, picturesIn } from "./gallery.ts";
import { nameOf } from "./lexicon.ts";
import { nearDuplicates } from "./near-duplicates.ts";
import type { Turn } from "./questions.ts";
import { captionRecords, type EmojiRecord, studentRecords, teacherRecords } from "./records.ts";
import { drawingsOf } from "./scenes.ts";
import { buildTokenizer, SPECIAL_TOKENS } from "./tokenizer.ts";
import { TRAIN_VENDORS } from "./vendors.ts";
import { isPlural, withArticle } from "./words.ts";

// The one file that needs every picture: drawn in about 10 s when there is no cache.
const gallery = await openGallery();
const rows = benchmark(gallery);
const student = studentRecords(gallery, 0);
const captions = captionRecords(gallery, 0);
const teacher = teacherRecords(gallery, 0, 0);
const rng = createRng(9);
const baseText = Array.from({ length: 5000 }, () => baseTextSample(gallery.lexicon, rng));

const names = new Set(gallery.lexicon.concepts.map(nameOf));
const presence = new Set(
  [...names].map((noun) => `${isPlural(noun) ? "are" : "is"} there ${withArticle(noun)} in the image ?`),
);
const tally = (keys: readonly string[]): Record<string, number> => {
  const count: Record<string, number> = {};
  for (const key of keys) count[key] = (count[key] ?? 0) + 1;
  return count;
};
const namesOnlyKnown = ({ task, question, answer }: Turn & { task: string }): boolean =>
  (task !== "name" || names.has(answer)) && (!task.startsWith("presence") || presence.has(question));
const shownBy = (image: string): GalleryPicture[] => drawingsOf(gallery, image).filter((drawing) => drawing !== null);

test("training and base text never show or name a test vendor or a concept outside the train split", () => {
  const records = [...student, ...captions, ...teacher];
  const isTrain = ({ cell, vendor, concept }: GalleryPicture): boolean =>
    cell === "train" && TRAIN_VENDORS.includes(vendor) && concept.split === "train" && isCore(concept);
  expect(records.filter(({ image }) => !shownBy(image).every(isTrain))).toEqual([]);
  expect([...records, ...baseText].filter((record) => !namesOnlyKnown(record))).toEqual([]);
  const namesItsPicture = ({ image, answer }: EmojiRecord): boolean =>
    shownBy(image).every(({ concept }) => answer.includes(nameOf(concept)));
  expect(captions.filter((record) => !namesItsPicture(record))).toEqual([]);
  const known = new Set(gallery.lexicon.contentWords);
  expect(baseText.filter(({ context }) => !context.every((word) => known.has(word)))).toEqual([]);
});

test("the benchmark shows unseen vendors or unseen concepts only, and names known concepts only", () => {
  const belongs: Record<string, (picture: GalleryPicture) => boolean> = {
    test_vendor: ({ vendor, concept }) => vendor === "fluent-emoji-flat" && concept.split === "train",
    test_vendor_2: ({ vendor, concept }) => vendor === "emojione-v1" && concept.split === "train",
    val_concept: ({ vendor, concept }) => TRAIN_VENDORS.includes(vendor) && concept.split === "val",
    unseen_concept: ({ vendor, concept }) => vendor !== "emojione-v1" && concept.split === "test",
  };
  expect(rows.filter(({ image, cell }) => !shownBy(image).every((p) => belongs[cell]?.(p)))).toEqual([]);
  expect(rows.filter((row) => !namesOnlyKnown(row))).toEqual([]);
  const unseen = rows.filter(({ cell }) => cell === "val_concept" || cell === "unseen_concept");
  expect(new Set(unseen.map(({ task }) => task))).toEqual(new Set(["group", "kind", "colour"]));
});

/** 32×32 RGB on white, by another way than the code's: every source pixel is split in 2×2, every output the mean of 3×3. */
function thumbnail({ rgba }: Drawn): Float32Array {
  const out = new Float32Array(32 * 32 * 3);
  for (let y = 0; y < 96; y++)
    for (let x = 0; x < 96; x++)
      for (let c = 0; c < 3; c++) {
        const from = ((y >> 1) * 48 + (x >> 1)) * 4;
        const alpha = (rgba[from + 3] as number) / 255;
        const to = (Math.floor(y / 3) * 32 + Math.floor(x / 3)) * 3 + c;
        out[to] = (out[to] as number) + ((rgba[from + c] as number) * alpha + 255 * (1 - alpha)) / 9;
      }
  return out;
}

test("no picture of the benchmark lies within a mean difference of 10 of a train picture of any vendor", () => {
  const train = picturesIn(gallery, "train", "full");
  const shown = [...new Set(rows.flatMap(({ image }) => shownBy(image)))];
  expect(nearDuplicates(shown, train)).toEqual([]);

  const thumbnails = train.map(thumbnail);
  for (const picture of shown.filter((_, i) => i % 100 === 0)) {
    const own = thumbnail(picture);
    const differences = thumbnails.map((other) => {
      let sum = 0;
      for (let i = 0; i < own.length; i++) sum += Math.abs((own[i] as number) - (other[i] as number));
      return sum / own.length;
    });
    expect(Math.min(...differences)).toBeGreaterThan(10);
  }

  const cells: Cell[] = ["val_concept", "test_vendor", "test_vendor_2", "unseen_concept"];
  const dropped = cells.flatMap((cell) => picturesIn(gallery, cell)).length - shown.length;
  expect(dropped).toBeGreaterThan(0);
  expect(dropped).toBeLessThan(40);
});

test("the student's mix is that of the recipe, presence half yes", () => {
  const pictures = picturesIn(gallery, "train");
  const { name, group, presence: asked, count, kind, colour } = tally(student.map((r) => r.task));
  expect([name, group, asked, count]).toEqual([2, 1, 4, 0].map((n) => n * pictures.length || 2000));
  expect((kind as number) / (2 * pictures.length)).toBeGreaterThan(0.7);
  expect((colour as number) / pictures.length).toBeGreaterThan(0.5);
  const answers = tally(student.filter((r) => r.task === "presence").map((r) => r.answer));
  expect(answers).toEqual({ yes: 2 * pictures.length, no: 2 * pictures.length });
  expect(captions).toHaveLength(3 * pictures.length);
  expect(tally(student.filter((r) => r.task === "count").map((r) => r.answer)).four).toBeGreaterThan(400);
});

test("records depend on the seed alone, the teacher's on the epoch too, and ids are unique", () => {
  expect(studentRecords(gallery, 0)).toEqual(student);
  expect(teacherRecords(gallery, 0, 0)).toEqual(teacher);
  const texts = (records: readonly Turn[]): string => records.map((r) => `${r.question}${r.answer}`).join();
  expect(texts(studentRecords(gallery, 1))).not.toBe(texts(student));
  expect(texts(teacherRecords(gallery, 0, 1))).not.toBe(texts(teacher));
  for (const list of [student, captions, teacher, rows]) expect(new Set(list.map((r) => r.id)).size).toBe(list.length);
});

test("every question has 16 words of context in base text, about half of the presence questions are yes", () => {
  expect(baseText.every(({ context }) => context.length === 16)).toBe(true);
  expect(baseText.every(({ task, question }) => (task === "caption") === (question === ""))).toBe(true);
  const asked = tally(baseText.filter((t) => t.task === "presence").map((t) => t.answer));
  expect((asked.yes as number) / ((asked.yes as number) + (asked.no as number))).toBeCloseTo(0.5, 1);
  const blind = baseText.filter((t) => t.task === "colour" && !t.context.includes(t.answer));
  expect(blind).toEqual([]);
});

test("the benchmark's every word is in the vocabulary", () => {
  const tokenizer = createTokenizer(buildTokenizer(gallery.lexicon));
  const texts = new Set(rows.flatMap(({ question, answer }) => [question, answer]));
  for (const text of texts) expect(tokenizer.encode(text)).not.toContain(SPECIAL_TOKENS.indexOf("<unk>"));
});
