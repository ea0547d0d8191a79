#!/usr/bin/env node
// The recipe's pictures and questions as plain arrays, and teacher and student as folders, for trainers that know nothing of the recipe.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { saveLlava } from "@kd/mllm/node";
import { useBackend } from "@kd/tensor-core";
import { plainPixels } from "./data/augment.ts";
import { groupOf } from "./data/classes.ts";
import { picturesIn } from "./data/gallery.ts";
import { nameOf } from "./data/lexicon.ts";
import { PIXELS } from "./data/rasterise.ts";
import { viewKey } from "./model/features.ts";
import { IMAGE_TOKENS, PAD_ID } from "./model/text.ts";
import { HEADLINE } from "./recipe/evaluate-cells.ts";
import { writeJson } from "./recipe/json-file.ts";
import { newStudent, openMaterials } from "./recipe/materials.ts";
import { main } from "./train/main.ts";
import { parseOptions, UsageError } from "./train/options.ts";

const USAGE = "node examples/emoji-recipe/dist/write-tables.js FOLDER";
const POOL = 3; // 48 pixels to 16
const SMALL = PIXELS / POOL;

await main(async () => {
  const { positionals } = parseOptions(USAGE, { strings: [], flags: [], positionals: true });
  const [folder] = positionals;
  if (folder === undefined || positionals.length > 1) throw new UsageError(USAGE);
  await mkdir(folder, { recursive: true });
  await useBackend({ engine: "wasm" });
  const materials = await openMaterials({ everyNth: 2 });
  const { gallery, text, teacher, cache, questions, rows } = materials;
  const bytes = (values: Float32Array): Uint8Array =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

  const chosen = [
    ...picturesIn(gallery, "train").map((picture) => ({ picture, part: "train" })),
    ...picturesIn(gallery, "test_vendor").map((picture) => ({ picture, part: "test" })),
  ];
  const order = mixed(chosen);
  const groups = [...new Set(order.map(({ picture }) => groupOf(picture.concept)))].sort();
  const words = [...new Set(order.flatMap(({ picture }) => nameOf(picture.concept).split(" ")))].sort();
  const width = SMALL * SMALL * 3;
  const pixels = new Float32Array(order.length * width);
  for (const [i, { picture }] of order.entries()) pixels.set(pooled(plainPixels(picture)), i * width);
  await writeFile(join(folder, "pixels.f32"), bytes(pixels));
  await writeJson(join(folder, "pictures.json"), {
    width,
    groups,
    words,
    pictures: order.map(({ picture: { concept }, part }) => ({
      part,
      group: groups.indexOf(groupOf(concept)),
      name: nameOf(concept)
        .split(" ")
        .map((word) => words.indexOf(word)),
    })),
  });

  const asked = rows.filter(({ cell }) => cell === HEADLINE);
  const images = [...new Set([...questions, ...asked].map(({ image }) => image))];
  const features = cache.batch(images.map((image) => viewKey(image, 0)));
  await writeFile(join(folder, "features.f32"), bytes(features.data));
  const sample = (record: { image: string; question: string; answer: string }) => ({
    ...text.encode(record),
    image: images.indexOf(record.image),
  });
  await writeJson(join(folder, "questions.json"), {
    vocabSize: text.vocabularySize,
    padId: PAD_ID,
    shape: [images.length, IMAGE_TOKENS, features.shape[2]],
    train: questions.map(sample),
    test: asked.map(sample),
  });
  await saveLlava(teacher, join(folder, "teacher"));
  await saveLlava(await newStudent(text, 1), join(folder, "student"));
});

/** Always the same order, in which neighbours are of different concepts and vendors. */
function mixed<T>(items: readonly T[]): T[] {
  const stride = 1009; // a prime that divides no number of pictures
  return items.map((_, i) => items[(i * stride) % items.length] as T);
}

/** The mean of 3×3 pixels. */
function pooled(pixels: Float32Array): Float32Array {
  const out = new Float32Array(SMALL * SMALL * 3);
  for (let y = 0; y < PIXELS; y++)
    for (let x = 0; x < PIXELS; x++)
      for (let c = 0; c < 3; c++) {
        const at = (Math.floor(y / POOL) * SMALL + Math.floor(x / POOL)) * 3 + c;
        (out[at] as number) += (pixels[(y * PIXELS + x) * 3 + c] as number) / POOL ** 2;
      }
  return out;
}
