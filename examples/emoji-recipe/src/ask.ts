#!/usr/bin/env node
// Asks teacher and student about a picture: npm run ask -- PICTURE "what is this ?"
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { KdError } from "@kd/contract";
import { collate, resize } from "@kd/data";
import { readImage } from "@kd/data/node";
import { generate, type Llava } from "@kd/mllm";
import { loadLlava } from "@kd/mllm/node";
import { useBackend } from "@kd/tensor-core";
import { openGallery } from "./data/gallery.ts";
import { PIXELS } from "./data/rasterise.ts";
import { assembleModel, assetPath } from "./model/assets.ts";
import { EOS_ID, openText, PAD_ID, type Text } from "./model/text.ts";
import { main } from "./train/main.ts";
import { parseOptions, UsageError } from "./train/options.ts";

const USAGE = `npm run ask -- PICTURE "question" [--run NAME]

  PICTURE       a PNG, JPEG, WebP or SVG file of one thing, on white or transparent
  "question"    such as "what is this ?", "what kind of thing is it ?", "is there a dog in the image ?"
  --run NAME    which run's student answers; the latest by default`;

const RUNS = fileURLToPath(new URL("../../../runs", import.meta.url));

await main(async () => {
  const { positionals, run } = parseOptions(USAGE, { strings: ["run"], flags: [], positionals: true });
  const [picture, question, ...rest] = positionals;
  if (picture === undefined || question === undefined || rest.length > 0) throw new UsageError(USAGE);
  await useBackend({ engine: "wasm" });
  const { lexicon } = await openGallery();
  const text = openText(lexicon);
  const { data, width, height } = await readImage(resolve(process.env.INIT_CWD ?? ".", picture), {
    background: "white",
    svg: true,
  });
  const small = resize({ data, width, height }, { width: PIXELS, height: PIXELS });
  const pixels = Float32Array.from(small.data, (value) => value / 127.5 - 1);
  const teacher = await assembleModel("teacher", text, {
    files: [assetPath("encoder"), assetPath("teacher")],
    seed: 0,
  });
  process.stdout.write(`teacher: ${await answer(teacher, text, pixels, question)}\n`);
  const folder = studentFolder(run);
  process.stdout.write(`student: ${await answer(await loadLlava(folder), text, pixels, question)}\n`);
});

async function answer(model: Llava, text: Text, pixels: Float32Array, question: string): Promise<string> {
  const batch = collate([text.encode({ question, answer: "" }, { prompt: true })], {
    padId: PAD_ID,
    vocabSize: text.vocabularySize,
  });
  const images = { kind: "pixels" as const, data: pixels, shape: [1, PIXELS, PIXELS, 3] as const };
  const [ids = []] = await generate(model, { ...batch, images }, { maxNewTokens: 16, eosTokenIds: [EOS_ID] });
  return text.decode(ids);
}

function studentFolder(name?: string): string {
  const runs = existsSync(RUNS)
    ? readdirSync(RUNS).filter((run) => existsSync(join(RUNS, run, "student", "config.json")))
    : [];
  const latest = runs.sort((a, b) => statSync(join(RUNS, b)).mtimeMs - statSync(join(RUNS, a)).mtimeMs)[0];
  const chosen = name ?? latest;
  if (chosen === undefined || !runs.includes(chosen))
    throw new KdError(
      "KD_CONFIG",
      `ask: no student in runs/${chosen ?? ""}; run npm run recipe first${runs.length > 0 ? `, or choose one of ${runs.join(", ")}` : ""}`,
    );
  return join(RUNS, chosen, "student");
}
