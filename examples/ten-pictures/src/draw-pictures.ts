#!/usr/bin/env node
// Draws the ten pictures and writes what is said of them; what it writes is committed. Drawings: Noto Emoji (Apache-2.0, see NOTICE).
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { groupOf, kindOf } from "@kd-example/emoji-recipe/dist/data/classes.js";
import { type Concept, concepts } from "@kd-example/emoji-recipe/dist/data/concepts.js";
import { nameOf } from "@kd-example/emoji-recipe/dist/data/lexicon.js";
import { withArticle } from "@kd-example/emoji-recipe/dist/data/words.js";
import sharp from "sharp";

const HOME = join(import.meta.dirname, "..");
const SIDE = 96; // pixels
/** Main colours as one sees them. */
const COLOURS: Readonly<Record<string, string>> = {
  dog: "brown",
  elephant: "gray",
  "baby chick": "yellow",
  crab: "orange",
  rose: "red",
  strawberry: "red",
  "green apple": "green",
  bus: "yellow",
  umbrella: "purple",
  guitar: "red",
};

const icons = createRequire(import.meta.resolve("@kd-example/emoji-recipe/package.json"))(
  "@iconify-json/noto/icons.json",
) as {
  readonly icons: Readonly<Record<string, { readonly body: string }>>;
};

async function draw({ icons: names }: Concept, file: string): Promise<void> {
  const icon = icons.icons[names.noto as string];
  if (icon === undefined) throw new Error(`no drawing "${names.noto}"`);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${SIDE}" height="${SIDE}" viewBox="0 0 128 128">${icon.body}</svg>`;
  await sharp(Buffer.from(svg))
    .flatten({ background: "white" })
    .png({ palette: true, compressionLevel: 9 })
    .toFile(file);
}

const all = new Map(concepts().map((concept) => [nameOf(concept), concept]));
const conversations = (turns: readonly (readonly [string, string])[]) =>
  turns.flatMap(([question, answer], i) => [
    { from: "human", value: i === 0 ? `<image>\n${question}` : question },
    { from: "gpt", value: answer },
  ]);

await mkdir(join(HOME, "pictures"), { recursive: true });
const captions: object[] = [];
const instructions: object[] = [];
for (const [name, colour] of Object.entries(COLOURS)) {
  const concept = all.get(name);
  if (concept === undefined || concept.split !== "train" || concept.icons.noto === undefined)
    throw new Error(`${name} is no train concept of the recipe`);
  const id = name.replaceAll(" ", "-");
  const image = `${id}.png`;
  await draw(concept, join(HOME, "pictures", image));
  const kind = kindOf(concept) ?? name;
  captions.push({
    id: `caption/${id}`,
    image,
    conversations: conversations([
      [
        "Describe the picture.",
        `${withArticle(name.startsWith(colour) ? name : `${colour} ${name}`)} , ${withArticle(kind)} , from ${groupOf(concept)}`,
      ],
    ]),
  });
  instructions.push({
    id: `instruction/${id}`,
    image,
    conversations: conversations([
      ["what is this ?", name],
      ["what is the main color ?", colour],
      ["what kind of thing is it ?", kind],
    ]),
  });
}
const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
await writeFile(join(HOME, "captions.json"), json(captions));
await writeFile(join(HOME, "instructions.json"), json(instructions));
