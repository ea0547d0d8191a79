import type { TokenBatch } from "@kd/contract";
import { generate, type Llava } from "@kd/mllm";
import type { ReportData } from "@kd/runs/report";
import { createRng } from "@kd/tensor-core";
import sharp from "sharp";
import type { BenchmarkRow } from "../data/benchmark.ts";
import { pictureOf } from "../data/gallery.ts";
import { PIXELS } from "../data/rasterise.ts";
import { featureBatch } from "../model/batch.ts";
import { viewKey } from "../model/features.ts";
import { EOS_ID } from "../model/text.ts";
import type { Materials } from "./materials.ts";

const COUNT = 24;
const TASKS: readonly BenchmarkRow["task"][] = ["name", "kind", "group", "colour", "presence_adversarial", "name"];
const SEED = 3;

/** Pictures of the unseen vendor with a question, the right answer and what each model says: drawn by a seed, not chosen. */
export async function sampleAnswers(
  materials: Materials,
  models: Readonly<Record<string, Llava>>,
): Promise<NonNullable<ReportData["samples"]>["shown"]> {
  const { gallery, rows, text, cache } = materials;
  const rng = createRng(SEED);
  const chosen = Array.from({ length: COUNT }, (_, i) => {
    const some = rows.filter(({ cell, task }) => cell === "test_vendor" && task === TASKS[i % TASKS.length]);
    return some[rng.int(some.length)] as BenchmarkRow;
  });
  const samples = chosen.map((row) => text.encode(row, { prompt: true }));
  const keys = chosen.map(({ image }) => viewKey(image, 0));
  const batch: TokenBatch = featureBatch(samples, keys, cache, text.vocabularySize);
  const answers: Record<string, number[][]> = {};
  for (const [name, model] of Object.entries(models))
    answers[name] = await generate(model, batch, { maxNewTokens: 16, eosTokenIds: [EOS_ID] });
  return Promise.all(
    chosen.map(async ({ image, question, answer }, i) => ({
      image: await dataUri(pictureOf(gallery, image).rgba),
      question,
      answer,
      answers: Object.fromEntries(Object.entries(answers).map(([name, ids]) => [name, text.decode(ids[i] ?? [])])),
    })),
  );
}

/** A picture as a page can hold it. */
export async function dataUri(rgba: Uint8Array): Promise<string> {
  const png = await sharp(rgba, { raw: { width: PIXELS, height: PIXELS, channels: 4 } })
    .png()
    .toBuffer();
  return `data:image/png;base64,${png.toString("base64")}`;
}
